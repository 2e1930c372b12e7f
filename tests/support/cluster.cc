#include "tests/support/cluster.h"

#include <csignal>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/data/connection.h"

namespace parley::test {

Cluster::Cluster()
    : end_({"setpriv", "--pdeathsig=TERM", "--", "bash", "-c",
            R"(trap '"$0" wipe "$1"; kill $!; exit' TERM; sleep infinity & touch "$1/ready"; wait)",
            Given("PARLEY_TEST_CLUSTER"), folder_.path()},
           {}, "/dev/null", "/dev/null") {
  Eventually([this] { return std::filesystem::exists(folder_.path() + "/ready"); });
  Start();
  const Output migrated = Run({Given("PARLEY_TEST_BIN") + "/parleyctl", "migrate"},
                              {{"PARLEY_DATABASE_OWNER_URL", Url("PARLEY_DATABASE_OWNER_URL")}});
  if (migrated.exit_code != 0) Die("parleyctl migrate: " + migrated.err);
}

Cluster::~Cluster() {
  end_.Signal(SIGTERM);
  end_.Wait();
}

void Cluster::Start() { Do({"start", folder_.path(), "--throwaway"}); }

void Cluster::Kill() {
  const std::string pid(absl::StripAsciiWhitespace(Do({"status", folder_.path()})));
  const std::string children = Content(absl::StrCat("/proc/", pid, "/task/", pid, "/children"));
  kill(std::stoi(pid), SIGKILL);
  for (const auto child : absl::StrSplit(children, ' ', absl::SkipWhitespace())) {
    // Nobody may have collected one that has ended: it has no command line any more.
    if (!Eventually([&] { return Content(absl::StrCat("/proc/", child, "/cmdline")).empty(); })) {
      Die(absl::StrCat("the session ", child, " of a PostgreSQL that was killed does not end"));
    }
  }
}

std::string Cluster::Url(const std::string& variable) const {
  const std::string content = "\n" + Content(folder_.path() + "/database.env");
  const size_t begin = content.find("\n" + variable + "=") + variable.size() + 2;
  return content.substr(begin, content.find('\n', begin) - begin);
}

std::string Cluster::Sql(const std::string& sql) const {
  auto connection = data::Connection::Open(Url("PARLEY_DATABASE_OWNER_URL"));
  const auto result = connection.ok() ? (*connection)->Script(sql) : connection.status();
  if (!result.ok()) Die(absl::StrCat(sql, ": ", result.status().ToString()));
  return result->empty() ? "" : std::string((*result)[0].GetText(0));
}

std::string Cluster::Do(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), Given("PARLEY_TEST_CLUSTER"));
  const Output done = Run(arguments);
  if (done.exit_code != 0) Die("deploy/lib/cluster: " + done.err);
  return done.out;
}

}  // namespace parley::test
