#include "services/gateway/http/message.h"

namespace parley::gateway::http {

std::string_view Request::Header(const std::string& name) const {
  return headers.count(name) == 1 ? std::string_view(headers.find(name)->second) : std::string_view();
}

}  // namespace parley::gateway::http
