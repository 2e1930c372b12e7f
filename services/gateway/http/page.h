// The files of the guest's page, which are part of the program (services/gateway/page). Nothing in the page's address
// but its path comes here: the key is behind the `#`, which browsers keep to themselves. Fetching writes nothing (T6).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "services/gateway/http/message.h"

namespace parley::gateway::http {

// What is there under a path: the page under `/` and `/events/...`, its parts under `/page/`. Nothing where nothing is.
std::optional<Response> PageUnder(const Request& request);

// The text of a file.
std::string_view PageFile(std::string_view name);

// A page as it is sent: what it may do (Content-Security-Policy, level 3), and that its address is told to nobody.
Response HtmlPage(int status, std::string html);

}  // namespace parley::gateway::http
