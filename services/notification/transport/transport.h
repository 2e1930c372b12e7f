// What takes a composed mail on its way.
#pragma once

#include <stop_token>
#include <string>

#include "parley/notification/v1/notification.pb.h"

namespace parley::notification {

struct SendResult {
  // ACCEPTED; REFUSED (for good); DEFERRED (not now: the mail was certainly not taken); UNKNOWN (it may have been
  // taken).
  v1::Notification::Attempt::Outcome outcome = v1::Notification::Attempt::OUTCOME_UNSPECIFIED;  // not sent
  // What was said, for a person; holds neither a key nor an address. Empty where it was accepted.
  std::string detail;
  // REFUSED since there is no such recipient: the reply to RCPT was one of the codes 5.1.x (RFC 3463) that say so.
  bool no_such_address = false;
};

// Used by one thread.
class Transport {
 public:
  virtual ~Transport() = default;
  // `message` as RFC 5322 has it, with CRLF line ends; `from` and `to` are bare addresses. Returns within a fixed time,
  // or soon after `stop` was requested.
  virtual SendResult Send(const std::string& from, const std::string& to, const std::string& message,
                          const std::stop_token& stop) = 0;
};

}  // namespace parley::notification
