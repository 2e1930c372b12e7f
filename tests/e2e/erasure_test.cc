// EraseUser in a running Parley: a dump of the database is searched, the event service is killed while it tells the
// logs, and what was signed before still proves what it did (A7, L5).
#include "absl/strings/ascii.h"
#include "common/tlog/checkpoint.h"
#include "common/tlog/merkle.h"
#include "services/parleyctl/commands.h"
#include "tests/e2e/e2e_test.h"

namespace parley::e2e {
namespace {

using event::v1::Checkpoint;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class ErasureTest : public E2eTest {
 protected:
  static void SetUpTestSuite() {
    StartSystem({{"event", {{"views-per-minute", "100000"}}}, {"notification", {{"retry-pause", "500ms"}}}});
  }

  static token::v1::EraseUserRequest Erasure(const std::string& user) {
    token::v1::EraseUserRequest request;
    request.set_name(user);
    return request;
  }

  // All that a copy of the database has, in lower case: as text, and where it is bytes, as hexadecimal.
  static std::string Dump() {
    const test::Output dump =
        test::Run({"/usr/lib/postgresql/15/bin/pg_dump", "--no-owner", "--dbname=" + database->owner_url()});
    EXPECT_EQ(dump.exit_code, 0) << dump.err;
    return absl::AsciiStrToLower(dump.out);
  }

  static std::string Hex(const std::string& text) {
    std::string hex;
    for (const char c : text) absl::StrAppend(&hex, absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    return hex;
  }

  // The first one that has more leaves than that: the empty log has one too.
  static Checkpoint CheckpointBehind(int64_t tree_size) {
    Checkpoint checkpoint;
    EXPECT_TRUE(Eventually([&] {
      checkpoint = Staff().Call(&Logs::GetCheckpoint, {}).value_or(Checkpoint());
      return checkpoint.tree_size() > tree_size;
    }));
    return checkpoint;
  }

  static bool AllAreTold() { return database->Sql("select count(*)::text from parley.erasures") == "0"; }
};

TEST_F(ErasureTest, A7_L5_NothingIsLeftOfAPersonAndTheLogStaysWhatItIs) {
  // The mail server refuses, and says to whom.
  const std::string address = "reply-5.1.1@heron-gone.example";
  Client owner = Member("stays@example.com");
  Client person = Member(address);
  ASSERT_OK_AND_ASSIGN(const Event event,
                       owner.Call(&Events::CreateEvent, Proposal({address, "third@example.org"}, {SlotIn(2)})));
  ASSERT_OK_AND_ASSIGN(const Event own,
                       person.Call(&Events::CreateEvent, Proposal({"stays@example.com"}, {SlotIn(3)})));
  auto confirmation = Confirmation(event);
  confirmation.set_request_id(Uuid::TimeOrdered().ToString());
  ASSERT_THAT(person.Call(&Events::ConfirmEvent, confirmation), Succeeds());
  ASSERT_THAT(person.Call(&NotificationStub::NotifyParties, Notice(own, {"stays@example.com"})), Succeeds());
  ASSERT_OK_AND_ASSIGN(const auto told, owner.Call(&NotificationStub::NotifyParties, Notice(event, {address})));
  notification::v1::GetNotificationRequest get;
  get.set_name(told.notifications(0).name());
  ASSERT_TRUE(Eventually([&] {
    return owner.Call(&NotificationStub::GetNotification, get)->state() == notification::v1::Notification::FAILED;
  }));
  ASSERT_THAT(Dump(), HasSubstr("heron"));
  const Checkpoint before = CheckpointBehind(0);
  ASSERT_THAT(person.Call(&Events::GetEvent, Named(event.name())), Succeeds());

  ASSERT_THAT(person.Call(&Tokens::EraseUser, Erasure("users/self")), Succeeds());
  const std::string dump = Dump();
  for (const std::string& trace :
       {std::string("heron"), std::string("reply-5"), Hex("heron"), Hex("Heron"), Hex("reply-5")}) {
    EXPECT_THAT(dump, Not(HasSubstr(trace)));
  }
  const auto by_person = [&] { return person.Call(&Events::GetEvent, Named(event.name())).status(); };
  EXPECT_LE(TrustedFor(absl::Now(), {by_person}), absl::Seconds(1)) << "T5";

  // What parties see.
  ASSERT_OK_AND_ASSIGN(const Event seen, owner.Call(&Events::GetEvent, Named(event.name())));
  EXPECT_EQ(seen.parties(0).address(), "erased");
  ASSERT_OK_AND_ASSIGN(const Event owned, owner.Call(&Events::GetEvent, Named(own.name())));
  EXPECT_EQ(owned.initiator(), "erased");
  EXPECT_EQ(owner.Call(&NotificationStub::GetNotification, get)->recipient(), "erased");
  EXPECT_THAT(owner.Call(&NotificationStub::NotifyParties, Notice(seen, {address})),
              Fails(absl::StatusCode::kInvalidArgument, Reason::INVALID_FIELDS));

  // What the logs tell.
  ASSERT_TRUE(Eventually(&ErasureTest::AllAreTold));
  for (const std::string& name : {event.name(), own.name()}) {
    const auto log = LogOf(owner, name);
    int erasures = 0;
    for (const LogEntry& entry : log) {
      erasures += entry.data().erased();
      EXPECT_THAT(absl::AsciiStrToLower(entry.DebugString()), Not(HasSubstr("heron")));
    }
    EXPECT_EQ(erasures, 1) << name;
  }
  EXPECT_THAT(Dump(), Not(HasSubstr("heron")));

  // What was signed before is still so.
  CheckpointBehind(before.tree_size());
  event::v1::GetConsistencyProofRequest prove;
  prove.set_first_tree_size(before.tree_size());
  ASSERT_OK_AND_ASSIGN(const auto proof, owner.Call(&Logs::GetConsistencyProof, prove));
  ASSERT_OK_AND_ASSIGN(const auto opened, tlog::Open(proof.checkpoint().note(), before.verifier_key()));
  EXPECT_THAT(tlog::CheckConsistency(before.tree_size(), before.root_hash(), opened.size, opened.root,
                                     std::vector<std::string>(proof.hashes().begin(), proof.hashes().end())),
              Succeeds());
  const auto verified = ctl::VerifyLog(database->service_url(), "", "", before.verifier_key());
  EXPECT_THAT(verified, Succeeds());
  for (const std::string& name : {event.name(), own.name()}) {
    EXPECT_THAT(ctl::ReplayLog(database->service_url(), name), Succeeds());
  }
  // The next one of this address.
  Client again = Member(address);
  event::v1::ListEventsRequest list;
  EXPECT_THAT(again.Call(&Events::ListEvents, list)->events(), SizeIs(0));
  EXPECT_THAT(again.Call(&Events::GetEvent, Named(event.name())),
              Fails(absl::StatusCode::kPermissionDenied, Reason::PERMISSION_DENIED));
}

TEST_F(ErasureTest, A7_WhoTellsTheLogsGoesOnAfterAKill) {
  constexpr int kEvents = 400;
  constexpr int kKills = 5;
  const std::string address = "many.events@gone.example";
  Client owner = Member("kills@example.com");
  for (int i = 0; i < kEvents; ++i) {
    ASSERT_THAT(owner.Call(&Events::CreateEvent, Proposal({address}, {SlotIn(2)})), Succeeds());
  }
  const std::string user = UserOf(address);
  const auto told = [&] {
    return std::stoi(database->Sql("select count(*)::text from parley.event_parties where erased and user_id = '" +
                                   user.substr(6) + "'"));
  };
  // It begins when nobody is there to tell.
  system->Kill("event");
  ASSERT_THAT(Staff().Call(&Tokens::EraseUser, Erasure(user)), Succeeds());
  EXPECT_EQ(told(), 0);
  int kills_under_way = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    const int before = told();
    system->Launch("event");
    ASSERT_TRUE(Eventually([&] { return told() > before || AllAreTold(); }));
    system->Kill("event");
    kills_under_way += !AllAreTold();
  }
  EXPECT_GT(kills_under_way, 0);
  system->Start("event");
  ASSERT_TRUE(Eventually(&ErasureTest::AllAreTold));
  EXPECT_EQ(told(), kEvents);
  ASSERT_TRUE(Eventually([&] {
    return database->Sql(
               "select (checkpoint_size = (select count(*) from parley.log_entries))::text from parley.log_tree") ==
           "true";
  }));
  EXPECT_EQ(
      database->Sql("select count(*)::text from (select event_id from parley.log_entries join parley.event_parties "
                    "using (event_id) where position('\\x8a0110' || uuid_send(user_id) in data) > 0 and user_id = '" +
                    user.substr(6) + "' group by event_id having count(*) = 1) told"),
      std::to_string(kEvents))
      << "one entry each: field 17 of its data";
  EXPECT_THAT(ctl::VerifyLog(database->service_url(), "", "", ""), Succeeds());
}

}  // namespace
}  // namespace parley::e2e
