// Mails by SMTP (RFC 5321), with libcurl. One connection for each transport, kept while it lasts.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "services/notification/transport/transport.h"

typedef void CURL;

namespace parley::notification {

struct SmtpSettings {
  std::string url;                 // smtp://host:port, or smtps://host:port (TLS from the first byte)
  bool starttls = true;            // with smtp://: nothing is sent where the server does not offer TLS
  bool verify_certificate = true;  // against ca_file, and for the host of the url
  std::string ca_file = "";        // PEM; empty: the system's certificates
  std::string username = "";       // empty: no authentication
  std::string password = "";
  absl::Duration connect_timeout = absl::Seconds(10);  // until the server has greeted and let us in
  absl::Duration reply_timeout = absl::Seconds(20);    // of each reply
  absl::Duration timeout = absl::Seconds(30);          // of one mail, all steps together
};

class SmtpTransport final : public Transport {
 public:
  // Before the first one is made by a thread of several, curl_global_init must have been called.
  explicit SmtpTransport(SmtpSettings settings);
  ~SmtpTransport() override;

  SendResult Send(const std::string& from, const std::string& to, const std::string& message,
                  const std::stop_token& stop) override;

 private:
  const SmtpSettings settings_;
  std::set<int> sockets_;  // curl's, open
  const std::unique_ptr<CURL, void (*)(CURL*)> curl_;
};

// What is wrong with the url of a mail server; empty where nothing is.
std::string SmtpUrlViolation(const std::string& url);

// What a mail server says, as it may be kept: one line of printable ASCII, at most 200 bytes, without any word that has
// an @ in it, or the local part of the recipient, or that looks like a key or a token of ours.
std::string Reduced(std::string_view reply, const std::string& recipient);

}  // namespace parley::notification
