// A DNS server: dnsmasq, with names that a test chooses and changes.
//
//   DnsServer dns({{"event.test", {"127.0.0.2", "127.0.0.3"}}});
//   rpc::MakeChannel(dns.UrlOf("event.test", 7000));
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace parley::test {

// Whatever cannot be done ends the test program. For one thread.
class DnsServer {
 public:
  using Names = std::map<std::string, std::vector<std::string>>;

  // Answers once it is made.
  explicit DnsServer(const Names& names);

  // From soon on.
  void Change(const Names& names);

  // As gRPC takes it.
  std::string UrlOf(const std::string& name, int port) const;

 private:
  const TemporaryFolder folder_;
  const int port_;
  Process process_;
};

}  // namespace parley::test
