// The connection to the database is cut around the commit: nobody knows whether the change was made.
#include "absl/strings/str_cat.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/database_proxy.h"

namespace parley::e2e {
namespace {

using absl::StatusCode;
using test::DatabaseProxy;

// All services reach the database through the proxy.
class CommitTest : public ::testing::TestWithParam<DatabaseProxy::Cut> {
 protected:
  CommitTest() : proxy_(database_.service_url()), system_({proxy_.url()}) { system_.Start(); }

  // Makes the call; the commit of its transaction, which runs this statement, is cut.
  template <class Call>
  auto Cut(const std::string& statement, const Call& call) {
    proxy_.CutAtCommit(GetParam(), statement);
    auto answer = call();
    EXPECT_TRUE(proxy_.HasCut()) << statement;
    return answer;
  }
  std::string Count(const std::string& table) const {
    return database_.Sql("select count(*)::text from parley." + table);
  }
  // What a call that adds one row leaves of it.
  std::string OneIfCommitted() const { return GetParam() == DatabaseProxy::Cut::kAfterCommit ? "1" : "0"; }

  TestDatabase database_;
  DatabaseProxy proxy_;
  System system_;
};

TEST_P(CommitTest, WithoutARequestIdTheOutcomeIsUnknown) {
  Client member = system_.As(system_.MakeMember("member@example.com"));
  const auto created =
      Cut("insert_events", [&] { return member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})); });
  ASSERT_THAT(created, Fails(StatusCode::kUnknown, Reason::OUTCOME_UNKNOWN));
  EXPECT_EQ(InfoOf(created.status(), "call_id"), member.call_id());
  EXPECT_EQ(test::DetailOf<google::rpc::RetryInfo>(created.status()).has_value(), false);
  EXPECT_EQ(Count("events"), OneIfCommitted());
  EXPECT_EQ(Count("log_entries"), OneIfCommitted());

  token::v1::CreateUserRequest user;
  user.mutable_user()->set_address("new@example.com");
  Client staff = system_.As(system_.staff_key());
  EXPECT_THAT(Cut("register_user", [&] { return staff.Call(&Tokens::CreateUser, user); }),
              Fails(StatusCode::kUnknown, Reason::OUTCOME_UNKNOWN));
  EXPECT_EQ(Count("users where local_part = 'new'"), OneIfCommitted());

  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})));
  EXPECT_THAT(Cut("insert_notifications",
                  [&] { return member.Call(&NotificationStub::NotifyParties, Notice(event, {"member@example.com"})); }),
              Fails(StatusCode::kUnknown, Reason::OUTCOME_UNKNOWN));
  EXPECT_EQ(Count("notifications"), OneIfCommitted());
  EXPECT_EQ(Count("log_entries where occurrence = 'NOTIFY'"), OneIfCommitted());
  ExpectGoodEnd(system_, database_);
}

TEST_P(CommitTest, WithARequestIdARetryLeavesExactlyOneEffect) {
  Client member = system_.As(system_.MakeMember("member@example.com"));
  const auto id = [] { return Uuid::TimeOrdered().ToString(); };
  auto create = Proposal({}, {SlotIn(2), SlotIn(3)});
  create.set_request_id(id());
  const auto send_create = [&] { return member.Call(&Events::CreateEvent, create); };
  EXPECT_THAT(Cut("insert_events", send_create), IsUnavailable());
  ASSERT_OK_AND_ASSIGN(const Event event, send_create());
  EXPECT_EQ(Count("events"), "1");
  EXPECT_EQ(Count("log_entries"), "1");

  auto update = Narrowed(event, {event.slots(0)});
  update.set_request_id(id());
  const auto send_update = [&] { return member.Call(&Events::UpdateEvent, update); };
  EXPECT_THAT(Cut("save_event", send_update), IsUnavailable());
  ASSERT_OK_AND_ASSIGN(const Event agreed, send_update());
  EXPECT_EQ(agreed.revision(), 2);
  EXPECT_EQ(agreed.state(), Event::AGREED);
  EXPECT_EQ(Count("log_entries"), "2");

  auto reopen = Reopening(agreed);
  reopen.set_request_id(id());
  const auto send_reopen = [&] { return member.Call(&Events::ReopenEvent, reopen); };
  EXPECT_THAT(Cut("insert_events", send_reopen), IsUnavailable());
  ASSERT_OK_AND_ASSIGN(const Event successor, send_reopen());
  EXPECT_EQ(successor.predecessor(), event.name());
  EXPECT_EQ(Count("events"), "2");
  EXPECT_EQ(Count("log_entries"), "4");

  auto notice = Notice(successor, {"member@example.com"});
  notice.set_request_id(id());
  const auto send_notice = [&] { return member.Call(&NotificationStub::NotifyParties, notice); };
  EXPECT_THAT(Cut("insert_notifications", send_notice), IsUnavailable());
  EXPECT_THAT(send_notice(), Succeeds());
  EXPECT_EQ(Count("notifications"), "1");
  EXPECT_EQ(Count("log_entries where occurrence = 'NOTIFY'"), "1");
  EXPECT_TRUE(Eventually([&] { return system_.Mails("member@example.com").size() == 1; }));

  Client staff = system_.As(system_.staff_key());
  token::v1::CreateUserRequest user;
  user.mutable_user()->set_address("new@example.com");
  user.set_request_id(id());
  const auto send_user = [&] { return staff.Call(&Tokens::CreateUser, user); };
  EXPECT_THAT(Cut("register_user", send_user), IsUnavailable());
  EXPECT_THAT(send_user(), Succeeds());

  auto remove = Deletion(successor);
  remove.set_request_id(id());
  const auto send_remove = [&] { return staff.Call(&Events::DeleteEvent, remove); };
  EXPECT_THAT(Cut("save_event", send_remove), IsUnavailable());
  EXPECT_THAT(send_remove(), Succeeds());
  EXPECT_EQ(Count("log_entries"), "6");
  ExpectGoodEnd(system_, database_);
}

TEST_P(CommitTest, AGetEventMaySimplyBeSentAgain) {
  Client member = system_.As(system_.MakeMember("member@example.com"));
  auto proposal = Proposal({"other@example.org"}, {SlotIn(2)});
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, proposal));
  const auto get = [&] { return member.Call(&Events::GetEvent, Named(event.name())); };
  EXPECT_THAT(Cut("append_log_entries", get), IsUnavailable());
  EXPECT_THAT(get(), Succeeds());
  // One that confirms, too: it runs alone.
  proposal.mutable_event()->mutable_agreement_policy()->set_confirmed_by(event::v1::AgreementPolicy::VIEW);
  ASSERT_OK_AND_ASSIGN(const Event by_view, system_.As(system_.staff_key()).Call(&Events::CreateEvent, proposal));
  Client acting = system_.As(system_.staff_key(), {{"parley-act-for", "other@example.org"}});
  const auto view = [&] { return acting.Call(&Events::GetEvent, Named(by_view.name())); };
  EXPECT_THAT(Cut("append_log_entries", view), IsUnavailable());
  ASSERT_OK_AND_ASSIGN(const Event viewed, view());
  EXPECT_EQ(viewed.state(), Event::AGREED);
  ExpectGoodEnd(system_, database_);
}

// Nothing of what was read is in doubt.
TEST_P(CommitTest, AReadMaySimplyBeSentAgain) {
  // To look up who calls is a read too.
  Client member = system_.As(system_.MakeMember("member@example.com"));
  const auto create = [&] { return member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})); };
  EXPECT_THAT(Cut("credential_by_api_key", create), IsUnavailable());
  ASSERT_OK_AND_ASSIGN(const Event event, create());
  EXPECT_EQ(Count("events"), "1");

  event::v1::ListLogEntriesRequest list;
  list.set_parent(event.name());
  const auto read = [&] { return member.Call(&Events::ListLogEntries, list); };
  EXPECT_THAT(Cut("list_log_entries", read), IsUnavailable());
  EXPECT_THAT(read(), Succeeds());
  ExpectGoodEnd(system_, database_);
}

INSTANTIATE_TEST_SUITE_P(Cut, CommitTest,
                         ::testing::Values(DatabaseProxy::Cut::kBeforeCommit, DatabaseProxy::Cut::kAfterCommit),
                         [](const auto& parameter) {
                           return parameter.param == DatabaseProxy::Cut::kBeforeCommit ? "BeforeIt" : "AfterIt";
                         });

}  // namespace
}  // namespace parley::e2e
