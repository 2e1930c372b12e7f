// Where webhooks may lead to. Thread-safe.
#pragma once

#include <string>
#include <vector>

struct sockaddr;

namespace parley::notification {

// All that is wrong with the url of a webhook; empty where nothing is. Each is a description for FieldViolations::Add.
std::vector<std::string> UrlViolations(const std::string& url);

// Whether an address is one of the internet's. Loopback, private, link-local, shared, multicast, reserved and
// documentation's are not (IANA's registries of special-purpose addresses), nor is any of IPv6 that is not assigned to
// the internet (2000::/3), nor what is neither IPv4 nor IPv6. An
// IPv6 address that leads to an IPv4 one (mapped, NAT64, 6to4) is judged by that.
bool IsPublic(const sockaddr& address);

// `192.0.2.1`, `2001:db8::1`; for people.
std::string ToText(const sockaddr& address);

}  // namespace parley::notification
