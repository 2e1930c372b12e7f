// The notification service is killed while it delivers, at the worst moments: nothing is lost, nothing is stuck, and
// only those mails come twice of which nobody could know that the mail server had taken them. 300 kills in
// tests/run faults.
#include <fstream>
#include <regex>

#include "absl/strings/str_cat.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/database_proxy.h"

namespace parley::e2e {
namespace {

using test::DatabaseProxy;

constexpr int kRecipients = 10;
constexpr int kLeaseSeconds = 3;
constexpr int kAllowedSeconds = kLeaseSeconds + 30;

int Kills() {
  const char* given = std::getenv("PARLEY_TEST_KILLS");
  return given == nullptr ? 12 : std::atoi(given);
}

// A real mail server that keeps all mails, and kills the process whose moment has come.
class MailServer {
 public:
  MailServer()
      : process_({"/usr/bin/python3", "-I", PARLEY_MAIL_SERVER, "--folder", folder_.path(), "--port-file",
                  folder_.path() + "/port", "--kill-file", kill_file()},
                 {}, folder_.path() + "/out", folder_.path() + "/err") {
    EXPECT_TRUE(Eventually([this] { return std::filesystem::exists(folder_.path() + "/port"); }));
  }
  std::string url() const {
    return absl::StrCat("smtp://127.0.0.1:", std::atoi(test::Content(folder_.path() + "/port").c_str()));
  }
  // Once: `data` before it replies to a mail, `accepted` after that.
  void KillAt(const std::string& moment, pid_t pid) {
    const std::string file = kill_file() + ".new";
    std::ofstream(file) << moment << " " << pid << "\n";
    std::filesystem::rename(file, kill_file());
  }
  // How many mails have come of each Message-ID's notification.
  std::map<std::string, int> Mails() const {
    static const std::regex message_id("\r\nMessage-Id: <([-0-9a-f]+)@");
    std::map<std::string, int> mails;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.path().extension() != ".eml") continue;
      const std::string mail = test::Content(entry.path());
      std::smatch found;
      EXPECT_TRUE(std::regex_search(mail, found, message_id)) << mail;
      ++mails[found[1].str()];
    }
    return mails;
  }

 private:
  std::string kill_file() const { return folder_.path() + "/kill"; }

  const test::TemporaryFolder folder_;
  test::Process process_;
};

class DeliveryKills : public ::testing::Test {
 protected:
  DeliveryKills()
      : proxy_(database_.service_url()),
        system_({proxy_.url(),
                 {{"notification",
                   {{"smtp-url", server_.url()},
                    {"lease", absl::StrCat(kLeaseSeconds, "s")},
                    {"send-timeout", "1s"},
                    {"retry-pause", "100ms"},
                    {"senders", "4"},
                    {"mails-per-second", "100000"},
                    {"max-daily-notifications", "1000000"},
                    {"max-daily-mails", "1000000"}}}}}) {
    system_.Start();
    member_ = std::make_unique<Client>(system_.As(system_.MakeMember("member@example.com")));
    std::vector<std::string> recipients;
    for (int i = 0; i < kRecipients; ++i) recipients.push_back(absl::StrCat("guest-", i, "@example.org"));
    const auto event = member_->Call(&Events::CreateEvent, Proposal(recipients, {SlotIn(2)}));
    EXPECT_THAT(event, Succeeds());
    notice_ = Notice(*event, recipients);
  }

  // The process will be killed at this moment, once there is something to deliver.
  void KillAt(int moment) {
    const pid_t pid = system_.process("notification").pid();
    const auto kill_it = [pid] { kill(pid, SIGKILL); };
    switch (moment) {
      case 0:
        return proxy_.CutAtCommit(DatabaseProxy::Cut::kAfterCommit, "begin_attempts", kill_it);
      case 1:
        return server_.KillAt("data", pid);
      case 2:
        return server_.KillAt("accepted", pid);
      default:
        return proxy_.CutAtCommit(DatabaseProxy::Cut::kBeforeCommit, "record_attempts", kill_it);
    }
  }

  const test::TestDatabase database_;
  MailServer server_;
  DatabaseProxy proxy_;
  System system_;
  std::unique_ptr<Client> member_;
  notification::v1::NotifyPartiesRequest notice_;
};

TEST_F(DeliveryKills, N6_NothingIsLostOrStuckOrSentTwiceWithoutNeed) {
  const int kills = Kills();
  int told = 0;
  for (int i = 0; i < kills; ++i) {
    KillAt(i % 4);
    // Where the call is cut off as well, it is sent again.
    if (notice_.request_id().empty()) notice_.set_request_id(Uuid::TimeOrdered().ToString());
    if (member_->Call(&NotificationStub::NotifyParties, notice_).ok()) {
      notice_.clear_request_id();
      told += kRecipients;
    }
    ASSERT_TRUE(Eventually([this] { return !system_.process("notification").Running(); })) << "kill " << i;
    system_.Start("notification");
  }
  const absl::Time last_kill = absl::Now();
  const auto unsent = [this] {
    return database_.Sql("select count(*)::text from parley.notifications where state <> 'SENT'");
  };
  while (unsent() != "0" && absl::Now() < last_kill + absl::Seconds(kAllowedSeconds)) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(unsent(), "0");
  const auto mails = server_.Mails();
  // A call that was cut off after its commit made some as well.
  EXPECT_GE(mails.size(), static_cast<size_t>(told));
  EXPECT_EQ(absl::StrCat(mails.size()), database_.Sql("select count(*)::text from parley.notifications"));
  int twice = 0;
  for (const auto& [id, count] : mails) {
    const int lost = std::atoi(database_
                                   .Sql("select count(*)::text from parley.delivery_attempts where outcome = 'UNKNOWN' "
                                        "and notification_id = '" +
                                        id + "'")
                                   .c_str());
    EXPECT_LE(count, 1 + lost) << id;
    if (count > 1) ++twice;
  }
  // From making it to the first attempt, and from each attempt to the next.
  const std::string longest = database_.Sql(
      "select coalesce(max(extract(epoch from start_time - before)), 0)::text from (select a.start_time, coalesce(lag("
      "a.start_time) over (partition by n.notification_id order by a.attempt), n.create_time) as before from "
      "parley.notifications n join parley.delivery_attempts a using (notification_id)) as each");
  EXPECT_LE(std::atof(longest.c_str()), kAllowedSeconds);
  std::cout << kills << " kills, " << mails.size() << " notifications, " << twice << " mails sent again, longest wait "
            << longest << " s\n";
}

}  // namespace
}  // namespace parley::e2e
