// The notification service is killed while it delivers, at the worst moments: nothing is lost, nothing is stuck, and
// only those mails come twice of which nobody could know that the mail server had taken them. 300 kills in
// tests/run faults.
#include <map>
#include <regex>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/database_proxy.h"
#include "tests/support/mail_server.h"

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
        return server_.SignalAt("data", pid, SIGKILL);
      case 2:
        return server_.SignalAt("accepted", pid, SIGKILL);
      default:
        return proxy_.CutAtCommit(DatabaseProxy::Cut::kBeforeCommit, "record_attempts", kill_it);
    }
  }

  // The attempts that were begun last, of which none was made: the process died in that moment.
  std::set<std::string> NeverMade() {
    const std::string attempts = database_.Sql(
        "select coalesce(string_agg(notification_id || ' ' || attempt, ','), '') from parley.delivery_attempts where "
        "start_time = (select max(start_time) from parley.delivery_attempts)");
    return absl::StrSplit(attempts, ',', absl::SkipEmpty());
  }
  // How many mails have come of each notification, by their Message-ID.
  std::map<std::string, int> Mails() const {
    static const std::regex message_id("\r\nMessage-ID: <([-0-9a-f]+)@parley.internal>");
    std::map<std::string, int> mails;
    for (const std::string& mail : server_.Mails()) {
      std::smatch found;
      EXPECT_TRUE(std::regex_search(mail, found, message_id)) << mail;
      ++mails[found[1].str()];
    }
    return mails;
  }
  // How many mails have the same key as another one: each attempt has its own.
  int MailsWithTheSameKey() const {
    static const std::regex key("parley_guest_[0-9a-f]+");
    std::map<std::string, std::set<size_t>> mails;
    const auto all = server_.Mails();
    for (size_t i = 0; i < all.size(); ++i) {
      // Lines of a text that are too long are broken so.
      const std::string mail = absl::StrReplaceAll(all[i], {{"=\r\n", ""}});
      std::smatch found;
      EXPECT_TRUE(std::regex_search(mail, found, key)) << mail;
      mails[found.str()].insert(i);
    }
    return static_cast<int>(std::ranges::count_if(mails, [](const auto& each) { return each.second.size() > 1; }));
  }
  // The attempts of which nobody knows how they ended: `id number`.
  std::set<std::string> Lost() {
    const std::string attempts = database_.Sql(
        "select coalesce(string_agg(notification_id || ' ' || attempt, ','), '') from parley.delivery_attempts where "
        "outcome = 'UNKNOWN'");
    return absl::StrSplit(attempts, ',', absl::SkipEmpty());
  }

  const test::TestDatabase database_;
  test::MailServer server_;
  DatabaseProxy proxy_;
  System system_;
  std::unique_ptr<Client> member_;
  notification::v1::NotifyPartiesRequest notice_;
};

TEST_F(DeliveryKills, N6_NothingIsLostOrStuckOrSentTwiceWithoutNeed) {
  const int kills = Kills();
  int told = 0;
  std::set<std::string> never_made;
  for (int i = 0; i < kills; ++i) {
    KillAt(i % 4);
    // Where the call is cut off as well, it is sent again.
    if (notice_.request_id().empty()) notice_.set_request_id(Uuid::TimeOrdered().ToString());
    if (member_->Call(&NotificationStub::NotifyParties, notice_).ok()) {
      notice_.clear_request_id();
      told += kRecipients;
    }
    ASSERT_TRUE(Eventually([this] { return !system_.process("notification").Running(); })) << "kill " << i;
    if (i % 4 == 0) never_made.merge(NeverMade());
    system_.Start("notification");
  }
  const auto unsent = [this] {
    return database_.Sql("select count(*)::text from parley.notifications where state <> 'SENT'");
  };
  Eventually([&] { return unsent() == "0"; }, absl::Seconds(kAllowedSeconds));
  EXPECT_EQ(unsent(), "0");
  const auto mails = Mails();
  // A call that was cut off after its commit made some as well.
  EXPECT_GE(mails.size(), static_cast<size_t>(told));
  EXPECT_EQ(absl::StrCat(mails.size()), database_.Sql("select count(*)::text from parley.notifications"));
  // A mail may come again for each attempt that was made and lost, and for no other.
  std::map<std::string, int> allowed;
  for (const std::string& attempt : Lost()) {
    if (!never_made.contains(attempt)) ++allowed[attempt.substr(0, attempt.find(' '))];
  }
  int twice = 0;
  for (const auto& [id, count] : mails) {
    EXPECT_LE(count, 1 + allowed[id]) << id;
    if (count > 1) ++twice;
  }
  EXPECT_FALSE(never_made.empty());
  // At least those of which no reply was heard.
  EXPECT_GT(twice, 0);
  EXPECT_EQ(MailsWithTheSameKey(), 0);
  // From making it to the first attempt, and from each attempt to the next.
  const std::string longest = database_.Sql(
      "select coalesce(max(extract(epoch from start_time - before)), 0)::text from (select a.start_time, coalesce(lag("
      "a.start_time) over (partition by n.notification_id order by a.attempt), n.create_time) as before from "
      "parley.notifications n join parley.delivery_attempts a using (notification_id)) as each");
  EXPECT_LE(std::atof(longest.c_str()), kAllowedSeconds);
  std::cout << kills << " kills, " << mails.size() << " notifications, " << twice << " mails sent again, longest wait "
            << longest << " s\n";
}

TEST_F(DeliveryKills, N6_AWorkerThatSleptThroughItsLeaseRecordsNothing) {
  const pid_t pid = system_.process("notification").pid();
  notice_.mutable_recipients()->DeleteSubrange(1, kRecipients - 1);
  // Before there is a reply: it finds it when it wakes up.
  server_.SignalAt("data", pid, SIGSTOP);
  ASSERT_THAT(member_->Call(&NotificationStub::NotifyParties, notice_), Succeeds());
  // Also where nobody else has taken it over meanwhile.
  ASSERT_TRUE(Eventually([this] {
    return database_.Sql("select count(*)::text from parley.notifications where lease_end_time <= now()") == "1";
  }));
  kill(pid, SIGCONT);
  ASSERT_TRUE(Eventually([this] { return database_.Sql("select state from parley.notifications") == "SENT"; }));
  EXPECT_EQ(database_.Sql("select string_agg(outcome, ' ' order by attempt) from parley.delivery_attempts"),
            "UNKNOWN ACCEPTED");
  EXPECT_TRUE(Eventually([this] {
    return std::ranges::any_of(system_.Log("notification"), [](const auto& line) {
      return line["message"] == "an attempt that is not ours any more" && line["attempt"] == 1;
    });
  }));
  const auto mails = Mails();
  ASSERT_EQ(mails.size(), 1u);
  EXPECT_EQ(mails.begin()->second, 2) << "both with the same Message-ID";
}

}  // namespace
}  // namespace parley::e2e
