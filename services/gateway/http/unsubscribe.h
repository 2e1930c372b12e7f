// The page behind the link to unsubscribe in a mail, `/unsubscribe/TOKEN`: GET shows a button and changes nothing, POST
// unsubscribes, by the button or by the mail program's own (RFC 8058). The token is logged nowhere. Thread-safe.
#pragma once

#include <memory>

#include "parley/notification/v1/notification_service.grpc.pb.h"
#include "services/gateway/http/message.h"

namespace parley::gateway::http {

class Unsubscribing {
 public:
  // `channel` leads to Forwarding.
  explicit Unsubscribing(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(notification::v1::NotificationService::NewStub(channel)) {}

  static bool IsUnder(std::string_view path);
  void Take(const Request& request, std::shared_ptr<Exchange> exchange);

 private:
  const std::unique_ptr<notification::v1::NotificationService::Stub> stub_;
};

}  // namespace parley::gateway::http
