// How the programs start: what they refuse, and how they say so.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/log_key.h"

namespace parley::e2e {
namespace {

using test::Environment;
using test::Output;

std::string Program(const std::string& name) { return test::Given("PARLEY_TEST_BIN") + "/" + name; }

// What each of the four needs to start; nobody is there, which none of them minds.
struct Start {
  std::map<std::string, std::string> flags;
  Environment environment;
};
Start GoodStart(const std::string& service, const test::TemporaryFolder& folder) {
  Start start{{{"listen", "unix:" + folder.path() + "/" + service}},
              {{"PARLEY_PRINCIPAL_SECRETS", std::string(32, 's')},
               {"PARLEY_DATABASE_URL", "postgresql://parley_service@/parley?host=" + folder.path()}}};
  if (service == "gateway") {
    start.flags["routes"] = "parley.event.=unix:" + folder.path() + "/event";
    start.flags["token-address"] = "unix:" + folder.path() + "/token";
  }
  if (service == "notification") {
    start.flags["token-address"] = "unix:" + folder.path() + "/token";
    start.flags["event-address"] = "unix:" + folder.path() + "/event";
    start.flags["mail-from"] = "parley@example.com";
    start.flags["smtp-url"] = "smtp://127.0.0.1:1";
    start.environment["PARLEY_SUPPRESSION_SECRET"] = std::string(32, 'a');
    start.environment["PARLEY_WEBHOOK_SECRET"] = std::string(32, 'b');
  }
  if (service == "event") {
    start.flags["checkpoint-dir"] = folder.path();
    start.flags["token-address"] = "unix:" + folder.path() + "/token";
    start.environment["PARLEY_LOG_KEY"] = test::MakeLogKey();
  }
  return start;
}

Output RunService(const std::string& service, const Start& start) {
  std::vector<std::string> command{Program("parley-" + service)};
  for (const auto& [flag, value] : start.flags) command.push_back(absl::StrCat("--", flag, "=", value));
  return test::Run(command, start.environment);
}

// Expects that it ends at once, and says that it is about this.
void ExpectRefused(const std::string& service, const Start& start, int exit_code, const std::string& about) {
  const Output output = RunService(service, start);
  EXPECT_EQ(output.exit_code, exit_code);
  EXPECT_THAT(output.err, HasSubstr(about));
}

class BadSettingTest : public ::testing::TestWithParam<const char*> {
 protected:
  const std::string service = GetParam();
  const test::TemporaryFolder folder;
  Start start = GoodStart(service, folder);
};

TEST_P(BadSettingTest, AnUnknownFlag) {
  start.flags["no-such-flag"] = "1";
  ExpectRefused(service, start, 2, "--no-such-flag");
}

TEST_P(BadSettingTest, NoAddressToListenOn) {
  start.flags.erase("listen");
  ExpectRefused(service, start, 2, "--listen");
}

TEST_P(BadSettingTest, AnAddressThatCannotBeListenedOn) {
  start.flags["listen"] = "unix:" + folder.path() + "/no/such/folder";
  ExpectRefused(service, start, 1, "PARLEY_LISTEN");
}

TEST_P(BadSettingTest, ASocketOnWhichAnotherServes) {
  const int lock = open((folder.path() + "/" + service + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  ExpectRefused(service, start, 1, "another process serves there");
  close(lock);
}

TEST_P(BadSettingTest, NoSecrets) {
  start.environment.erase("PARLEY_PRINCIPAL_SECRETS");
  ExpectRefused(service, start, 2, "PARLEY_PRINCIPAL_SECRETS");
}

TEST_P(BadSettingTest, AShortSecret) {
  start.environment["PARLEY_PRINCIPAL_SECRETS"] = std::string(31, 's');
  ExpectRefused(service, start, 2, "principal secrets must have at least 32 characters");
}

TEST_P(BadSettingTest, InTheEnvironment) {
  start.environment["PARLEY_DRAIN"] = "soon";
  ExpectRefused(service, start, 2, "--drain");
}

TEST_P(BadSettingTest, HelpExplainsAndIsNoError) {
  const Output help = test::Run({Program("parley-" + service), "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("PARLEY_LISTEN"));
  EXPECT_THAT(help.out, HasSubstr("PARLEY_PRINCIPAL_SECRETS"));
}

const auto kNameOfParameter = [](const auto& parameter) { return std::string(parameter.param); };
INSTANTIATE_TEST_SUITE_P(Each, BadSettingTest, ::testing::Values("token", "event", "notification", "gateway"),
                         kNameOfParameter);

class BadDatabaseSettingTest : public BadSettingTest {};

TEST_P(BadDatabaseSettingTest, NoDatabase) {
  start.environment.erase("PARLEY_DATABASE_URL");
  ExpectRefused(service, start, 2, "PARLEY_DATABASE_URL");
}

TEST_P(BadDatabaseSettingTest, NoWorkers) {
  start.flags["workers"] = "0";
  ExpectRefused(service, start, 2, "--workers");
}

INSTANTIATE_TEST_SUITE_P(Each, BadDatabaseSettingTest, ::testing::Values("token", "event", "notification"),
                         kNameOfParameter);

TEST(StartTest, TheGatewayRefusesBadRoutesAndLimits) {
  const test::TemporaryFolder folder;
  Start start = GoodStart("gateway", folder);
  start.flags["burst"] = "0";
  ExpectRefused("gateway", start, 2, "--burst");
  start = GoodStart("gateway", folder);
  for (const char* routes : {"nonsense", "parley.event.=", "=unix:/event", "parley.internal.token.=unix:/token",
                             "parley.=unix:/all", "parley.event.=unix:/a,parley.event.v1.=unix:/b"}) {
    SCOPED_TRACE(routes);
    start.flags["routes"] = routes;
    ExpectRefused("gateway", start, 2, "PARLEY_ROUTES");
  }
}

TEST(StartTest, TheNotificationServiceRefusesBadMailSettings) {
  const test::TemporaryFolder folder;
  const std::map<std::string, std::string> bad = {{"mail-from", "nobody"},           {"smtp-url", "http://example.com"},
                                                  {"transport", "pigeon"},           {"lease", "1s"},
                                                  {"public-address", "example.com"}, {"smtp-ca-file", "/nowhere"},
                                                  {"mails-per-second", "0"},         {"senders", "0"},
                                                  {"max-daily-mails", "0"}};
  for (const auto& [flag, value] : bad) {
    Start start = GoodStart("notification", folder);
    start.flags[flag] = value;
    ExpectRefused("notification", start, 2, "--" + flag);
  }
  for (const char* url :
       {"mail.example.com:25", "smtp://", "smtp://mail.example.com:many", "smtp://mail.example.com:25/me"}) {
    SCOPED_TRACE(url);
    Start start = GoodStart("notification", folder);
    start.flags["smtp-url"] = url;
    ExpectRefused("notification", start, 2, "--smtp-url must be smtp://host:port or smtps://host:port");
  }
  for (const char* address :
       {"https://", "https://parley.example/app", "https://parley.example?a", "https://parley.example#a",
        "https://me@parley.example", "https://parley.example>", "https://parley .example",
        "https://parley.example\r\nBcc: eve@example.net", "ftp://parley.example", "https://parley.example:many",
        "https://parley.example#", "https://parley.example?", "https://parley.example/./", "https://parley.example/..",
        "https://parley.example//", "https://b\u00fccher.example", "https://@parley.example"}) {
    SCOPED_TRACE(address);
    Start start = GoodStart("notification", folder);
    start.flags["public-address"] = address;
    ExpectRefused("notification", start, 2, "--public-address must be https://host or https://host:port");
  }
  Start start = GoodStart("notification", folder);
  start.flags["lease"] = "31s";
  ExpectRefused("notification", start, 2, "--lease must be at least two seconds longer than --send-timeout");
  // It would stand in messages and in the list of processes.
  start = GoodStart("notification", folder);
  start.flags["smtp-url"] = "smtp://parley:secret@mail.example.com:587";
  ExpectRefused("notification", start, 2, "--smtp-url must have no login");
  // A password never goes out in the clear.
  start = GoodStart("notification", folder);
  start.flags["smtp-username"] = "parley";
  start.flags["smtp-starttls"] = "false";
  ExpectRefused("notification", start, 2, "--smtp-username needs TLS");
  start.flags["smtp-starttls"] = "true";
  ExpectRefused("notification", start, 2, "--smtp-username needs a password");
  start = GoodStart("notification", folder);
  start.environment.erase("PARLEY_SUPPRESSION_SECRET");
  ExpectRefused("notification", start, 2, "PARLEY_SUPPRESSION_SECRET");
  start.environment["PARLEY_SUPPRESSION_SECRET"] = "short";
  ExpectRefused("notification", start, 2, "the suppression secret must be one line of at least 32 characters");
}

TEST(StartTest, TheNotificationServiceRefusesBadWebhookSettings) {
  const test::TemporaryFolder folder;
  const std::map<std::string, std::string> bad = {{"max-webhooks", "0"},
                                                  {"webhook-timeout", "0s"},
                                                  {"webhook-retry-pause", "5"},
                                                  {"webhook-retry-for", "-1h"},
                                                  {"webhook-keep", "for ever"},
                                                  {"webhook-ca-file", "/nowhere"},
                                                  {"webhook-private-targets", "perhaps"}};
  for (const auto& [flag, value] : bad) {
    Start start = GoodStart("notification", folder);
    start.flags[flag] = value;
    ExpectRefused("notification", start, 2, "--" + flag);
  }
  Start start = GoodStart("notification", folder);
  start.flags["webhook-keep"] = "inf";
  ExpectRefused("notification", start, 2, "--webhook-keep must be at most ten years");
  start = GoodStart("notification", folder);
  start.flags["attempts-keep"] = "47h";
  ExpectRefused("notification", start, 2, "--attempts-keep must be at least two days");
  start = GoodStart("notification", folder);
  start.flags.erase("event-address");
  ExpectRefused("notification", start, 2, "--event-address");
  start = GoodStart("notification", folder);
  start.environment.erase("PARLEY_WEBHOOK_SECRET");
  ExpectRefused("notification", start, 2, "PARLEY_WEBHOOK_SECRET");
  start.environment["PARLEY_WEBHOOK_SECRET"] = std::string(31, 'b');
  ExpectRefused("notification", start, 2, "the webhook secret must be one line of at least 32 characters");
}

TEST(StartTest, L3_AServiceDoesNotRunAsTheOwnerOfTheLog) {
  const TestDatabase database;
  const test::TemporaryFolder folder;
  for (const char* service : {"token", "event", "notification"}) {
    SCOPED_TRACE(service);
    Start start = GoodStart(service, folder);
    start.environment["PARLEY_DATABASE_URL"] = database.owner_url();
    const Output output = RunService(service, start);
    EXPECT_EQ(output.exit_code, 1);
    EXPECT_THAT(output.err, HasSubstr("log in as parley_service, not as the owner"));
  }
}

TEST(StartTest, TheNotificationServiceDoesNotRunWithAnotherSuppressionSecret) {
  const TestDatabase database;
  System system({database.service_url()});
  system.Start();
  const test::TemporaryFolder folder;
  Start start = GoodStart("notification", folder);
  start.environment["PARLEY_DATABASE_URL"] = database.service_url();
  ExpectRefused("notification", start, 1, "the suppression secret is not the one of this database");
  ExpectGoodEnd(system, database);
}

TEST(StartTest, TheGatewaySaysWhyItCannotServeHttp) {
  const test::TemporaryFolder folder;
  Start start = GoodStart("gateway", folder);
  start.flags["http-listen"] = "7080";
  ExpectRefused("gateway", start, 1, "cannot serve HTTP on 7080 (PARLEY_HTTP_LISTEN): that is not host:port");
  const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(taken, 1), 0);
  ASSERT_EQ(getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size), 0);
  start.flags["http-listen"] = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  ExpectRefused("gateway", start, 1, start.flags["http-listen"] + " (PARLEY_HTTP_LISTEN): Address already in use");
  start.flags["cors-origins"] = "https://app.example/";
  ExpectRefused("gateway", start, 2, "https://app.example/ is no origin");
  close(taken);
}

TEST(StartTest, WithoutASchemaNothingServesUntilItIsThere) {
  const TestDatabase database(TestDatabase::Schema::kNone);
  System system({database.service_url()});
  system.Start("mailbox");
  for (const char* service : {"token", "event", "notification", "gateway"}) {
    SCOPED_TRACE(service);
    system.Launch(service);
    std::string reason;
    EXPECT_TRUE(Eventually([&] {
      for (const auto& line : system.Log(service)) {
        if (line["message"] == "not serving") reason = line["reason"];
      }
      return !reason.empty();
    }));
    EXPECT_THAT(reason, HasSubstr(service == std::string("gateway") ? kEventService : "parleyctl migrate"));
    EXPECT_FALSE(system.Serves(service));
  }
  const auto pid = system.process("event").pid();
  const Environment owner = {{"PARLEY_DATABASE_OWNER_URL", database.owner_url()}};
  const Output first = test::Run({Program("parleyctl"), "migrate"}, owner);
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("applied "));
  const Output second = test::Run({Program("parleyctl"), "migrate"}, owner);
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.out, HasSubstr("up to date"));
  for (const char* service : {"token", "event", "notification", "gateway"}) {
    EXPECT_TRUE(Eventually([&] { return system.Serves(service); })) << service;
  }
  EXPECT_EQ(system.process("event").pid(), pid);
  EXPECT_THAT(system.As(system.staff_key()).Call(&Events::ListEvents, {}), Succeeds());
  ExpectGoodEnd(system, database);
}

}  // namespace
}  // namespace parley::e2e
