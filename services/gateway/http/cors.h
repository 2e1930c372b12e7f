// Which pages of other origins may call (CORS, of the Fetch standard).
#pragma once

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "services/gateway/http/message.h"

namespace parley::gateway::http {

// Thread-safe.
class Cors {
 public:
  // `https://app.example,https://other.example:8443`, or `*` for all; empty for none. INVALID_ARGUMENT, with a message
  // for the administrator.
  static absl::StatusOr<Cors> Parse(std::string_view origins);

  // What each answer says to the request's origin.
  Headers HeadersFor(const Request& request) const;
  // The answer to an OPTIONS request, which asks what would be let through.
  Response AnswerPreflight(const Request& request) const;

 private:
  bool is_open_ = false;
  std::set<std::string> origins_;
};

}  // namespace parley::gateway::http
