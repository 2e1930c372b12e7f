#include "tests/support/dns_server.h"

#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/system.h"

namespace parley::test {
namespace {

// Returns the file.
std::string Write(const std::string& folder, const DnsServer::Names& names) {
  const std::string file = folder + "/hosts";
  std::ofstream hosts(file + ".new");
  for (const auto& [name, addresses] : names) {
    for (const std::string& address : addresses) hosts << address << " " << name << "\n";
  }
  hosts.close();
  std::filesystem::rename(file + ".new", file);
  return file;
}

std::vector<std::string> Command(const std::string& hosts_file, int port) {
  // It would become another user, who cannot read the folder.
  const passwd* const user = getpwuid(geteuid());
  return {"/usr/sbin/dnsmasq",
          "--keep-in-foreground",
          "--conf-file=/dev/null",
          "--pid-file=",
          absl::StrCat("--user=", user == nullptr ? "nobody" : user->pw_name),
          "--listen-address=127.0.0.1",
          "--bind-interfaces",
          absl::StrCat("--port=", port),
          "--no-hosts",
          "--no-resolv",
          "--local=/test/",
          "--log-facility=-",
          "--addn-hosts=" + hosts_file};
}

}  // namespace

DnsServer::DnsServer(const Names& names)
    : port_(FreePort()),
      process_(Command(Write(folder_.path(), names), port_), {}, folder_.path() + "/log", folder_.path() + "/log") {
  const auto log = [this] { return Content(folder_.path() + "/log"); };
  // The last line of its start.
  if (!Eventually([&] { return absl::StrContains(log(), "hosts - ") || !process_.Running(); }) || !process_.Running()) {
    Die(absl::StrCat("dnsmasq does not start: ", log()));
  }
}

void DnsServer::Change(const Names& names) {
  Write(folder_.path(), names);
  process_.Signal(SIGHUP);
}

std::string DnsServer::UrlOf(const std::string& name, int port) const {
  return absl::StrCat("dns://127.0.0.1:", port_, "/", name, ":", port);
}

}  // namespace parley::test
