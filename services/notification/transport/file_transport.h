// Mails as files, for people without a mail server: one .eml each, which only we can read. Readers never see half a
// mail.
#pragma once

#include "services/notification/transport/transport.h"

namespace parley::notification {

class FileTransport final : public Transport {
 public:
  // The folder must exist.
  explicit FileTransport(std::string directory) : directory_(std::move(directory)) {}

  SendResult Send(const std::string& from, const std::string& to, const std::string& message,
                  const std::stop_token& stop) override;

 private:
  const std::string directory_;
};

}  // namespace parley::notification
