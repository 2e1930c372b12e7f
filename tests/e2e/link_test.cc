// RequestEmailToken (T7): who has lost the key to an event, or has one that expired, is mailed another.
#include "tests/e2e/e2e_test.h"

namespace parley::e2e {
namespace {

using absl::StatusCode;
using notification::v1::RequestEmailTokenRequest;
using ::testing::SizeIs;

RequestEmailTokenRequest ByKey(const std::string& key) {
  RequestEmailTokenRequest request;
  request.set_key(key);
  return request;
}

RequestEmailTokenRequest ByParty(const std::string& event, const std::string& address) {
  RequestEmailTokenRequest request;
  request.mutable_party()->set_event(event);
  request.mutable_party()->set_address(address);
  return request;
}

class LinkTest : public E2eTest {
 protected:
  // The whole answer to a caller without a credential, but for the call's id: a status, and names of metadata.
  static std::string Ask(const RequestEmailTokenRequest& request) {
    Client nobody = system->As("");
    const auto answer = nobody.Call(&NotificationStub::RequestEmailToken, request);
    std::string text = answer.status().ToString();
    if (answer.ok()) text += answer->SerializeAsString();
    EXPECT_NE(nobody.call_id(), "");
    for (const auto& [key, value] : nobody.metadata()) text += " " + key;
    return text;
  }
  // Whoever asked has been looked at, and what came of it has been sent.
  static void AwaitAllWorkedOff() {
    EXPECT_TRUE(Eventually([] {
      return database->Sql(
                 "select ((select count(*) from parley.email_token_requests) + (select count(*) from "
                 "parley.notifications where state = 'PENDING'))::text") == "0";
    }));
  }
  static void Expire(const std::string& address) {
    database->Sql("update parley.email_tokens set expire_time = now() where user_id = '" + UserOf(address).substr(6) +
                  "'");
  }
  // As if all that was sent to this address had been sent so much earlier.
  static void SetBack(const std::string& address, const std::string& interval) {
    database->Sql("update parley.notifications set create_time = create_time - interval '" + interval +
                  "' where recipient_id = '" + UserOf(address).substr(6) + "'");
  }
  static std::string AllEntries() { return database->Sql("select count(*)::text from parley.log_entries"); }
};

TEST_F(LinkTest, T7_AnExpiredKeyIsExchangedForANewOneByMail) {
  const std::string address = "Late.Guest@example.org";
  Client member = Member("proposes@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({address}, {SlotIn(2)})));
  const std::string old_key = GuestKey(member, event, address);
  Client guest = system->As(old_key);
  ASSERT_THAT(guest.Call(&Events::GetEvent, Named(event.name())), Succeeds());
  Expire(address);
  ASSERT_TRUE(Eventually(
      [&] { return ReasonOf(guest.Call(&Events::GetEvent, Named(event.name())).status()) == Reason::TOKEN_EXPIRED; }));
  const size_t entries = LogOf(member, event.name()).size();

  Client nobody = system->As("");
  ASSERT_THAT(nobody.Call(&NotificationStub::RequestEmailToken, ByKey(old_key)), Succeeds());
  const std::string new_key = MailedKey(address, 1);
  ASSERT_NE(new_key, "");
  EXPECT_NE(new_key, old_key);
  Client again = system->As(new_key);
  ASSERT_OK_AND_ASSIGN(const Event seen, again.Call(&Events::GetEvent, Named(event.name())));
  EXPECT_EQ(seen.name(), event.name());
  EXPECT_THAT(guest.Call(&Events::GetEvent, Named(event.name())),
              Fails(StatusCode::kUnauthenticated, Reason::TOKEN_EXPIRED));

  // A NOTIFY entry whose effector is the party.
  const auto log = LogOf(member, event.name());
  ASSERT_THAT(log, SizeIs(entries + 2));
  EXPECT_EQ(log[entries].occurrence(), LogEntry::NOTIFY);
  EXPECT_EQ(log[entries].effector(), address);
  EXPECT_EQ(log[entries].data().recipient(), address);
  EXPECT_EQ(log[entries].data().email_token(), "");
  // The others hear nothing of it.
  EXPECT_THAT(system->Mails("proposes@example.com"), IsEmpty());
}

TEST_F(LinkTest, T7_EventAndAddressDoAsWellAlsoForAClosedEvent) {
  const std::string address = "forgetful@example.org";
  Client member = Member("closes@example.com");
  auto proposal = Proposal({address}, {SlotIn(2)});
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, proposal));
  // Nobody has been mailed anything yet.
  Ask(ByParty(event.name(), "Forgetful@EXAMPLE.org"));
  Client guest = system->As(MailedKey(address, 0));
  ASSERT_OK_AND_ASSIGN(const Event agreed, guest.Call(&Events::ConfirmEvent, Confirmation(event)));
  ASSERT_EQ(agreed.state(), Event::AGREED);
  SetBack(address, "11 minutes");
  Ask(ByParty(event.name(), address));
  EXPECT_THAT(system->As(MailedKey(address, 1)).Call(&Events::GetEvent, Named(event.name())), Succeeds());
}

TEST_F(LinkTest, T7_AtMostOnceInTenMinutesAndFiveTimesADayForEachPartyAndEvent) {
  const std::string address = "impatient@example.org";
  Client member = Member("patient@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({address}, {SlotIn(2)})));
  ASSERT_OK_AND_ASSIGN(const Event other, member.Call(&Events::CreateEvent, Proposal({address}, {SlotIn(2)})));
  const auto ask = [&](const Event& of) {
    Ask(ByParty(of.name(), address));
    AwaitAllWorkedOff();
    return system->Mails(address).size();
  };
  EXPECT_EQ(ask(event), 1U);
  const size_t entries = LogOf(member, event.name()).size();
  EXPECT_EQ(ask(event), 1U);
  const std::string key = MailedKey(address, 0);
  Ask(ByKey(key));
  AwaitAllWorkedOff();
  EXPECT_THAT(system->Mails(address), SizeIs(1));
  EXPECT_THAT(LogOf(member, event.name()), SizeIs(entries)) << "what mails nothing writes nothing";
  EXPECT_EQ(ask(other), 2U);
  // Another party of the same event is not held up.
  Ask(ByParty(event.name(), "patient@example.com"));
  EXPECT_NE(MailedKey("patient@example.com", 0), "");
  for (size_t sent = 3; sent <= 6; ++sent) {
    SetBack(address, "11 minutes");
    EXPECT_EQ(ask(event), sent);
  }
  SetBack(address, "11 minutes");
  EXPECT_EQ(ask(event), 6U) << "five have been sent of this event";
  SetBack(address, "1 day");
  EXPECT_EQ(ask(event), 7U);
}

TEST_F(LinkTest, T7_StrangersPartiesTheDeletedAndTheDeactivatedAllGetTheSameAnswer) {
  const std::string party = "true.party@example.org";
  const std::string shut_out = "shut.out@example.org";
  Client member = Member("answers@example.com");
  Client staff = Staff();
  Member("stranger@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({party, shut_out}, {SlotIn(2)})));
  // With several slots, so that the deletion has no calendar entry to take back.
  ASSERT_OK_AND_ASSIGN(const Event deleted,
                       member.Call(&Events::CreateEvent, Proposal({party}, {SlotIn(2), SlotIn(3)})));
  const std::string key_of_deleted = GuestKey(member, deleted, party);
  const std::string key_of_shut_out = GuestKey(member, event, shut_out);
  ASSERT_THAT(staff.Call(&Events::DeleteEvent, Deletion(deleted)), Succeeds());
  token::v1::DeactivateUserRequest deactivate;
  deactivate.set_name(UserOf(shut_out));
  ASSERT_THAT(staff.Call(&Tokens::DeactivateUser, deactivate), Succeeds());
  const std::string mails = std::to_string(system->Mails(party).size());
  const std::string entries = AllEntries();

  std::set<std::string> answers;
  for (const auto& request :
       {ByParty(event.name(), "stranger@example.com"), ByParty(event.name(), "nobody.at.all@example.net"),
        ByParty("events/" + Uuid::TimeOrdered().ToString(), party), ByParty(deleted.name(), party),
        ByParty(event.name(), shut_out), ByKey(key_of_deleted), ByKey(key_of_shut_out),
        ByKey("parley_guest_" + std::string(40, '0'))}) {
    answers.insert(Ask(request));
  }
  AwaitAllWorkedOff();
  EXPECT_EQ(AllEntries(), entries);
  EXPECT_THAT(system->Mails("stranger@example.com"), IsEmpty());
  EXPECT_THAT(system->Mails("nobody.at.all@example.net"), IsEmpty());
  EXPECT_THAT(system->Mails(shut_out), SizeIs(1));
  EXPECT_EQ(std::to_string(system->Mails(party).size()), mails);
  answers.insert(Ask(ByParty(event.name(), party)));
  EXPECT_NE(MailedKey(party, 1), "");
  EXPECT_THAT(answers, SizeIs(1));
  EXPECT_EQ(database->Sql("select count(*)::text from parley.users where local_part = 'nobody.at.all'"), "0");
}

TEST_F(LinkTest, T7_WhatIsNotWellFormedIsSaidSo) {
  const auto invalid = [](const RequestEmailTokenRequest& request) {
    return system->As("").Call(&NotificationStub::RequestEmailToken, request).status();
  };
  EXPECT_THAT(invalid({}), Fails(StatusCode::kInvalidArgument, Reason::INVALID_FIELDS));
  EXPECT_THAT(invalid(ByKey("nonsense")), Fails(StatusCode::kInvalidArgument, Reason::INVALID_FIELDS));
  const absl::Status both = invalid(ByParty("events/none", "no address"));
  EXPECT_THAT(both, Fails(StatusCode::kInvalidArgument, Reason::INVALID_FIELDS));
  const auto fields = test::DetailOf<google::rpc::BadRequest>(both);
  ASSERT_TRUE(fields.has_value());
  EXPECT_THAT(fields->field_violations(), SizeIs(2));
}

TEST_F(LinkTest, T7_N8_DoesNotCountTowardsTheDailyLimits) {
  const std::string address = "often.told@example.org";
  Client member = Member("tells@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({address}, {SlotIn(2)})));
  Ask(ByParty(event.name(), address));
  ASSERT_NE(MailedKey(address, 0), "");
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(member.Call(&NotificationStub::NotifyParties, Notice(event, {address})), Succeeds()) << i;
  }
  EXPECT_THAT(member.Call(&NotificationStub::NotifyParties, Notice(event, {address})),
              Fails(StatusCode::kResourceExhausted, Reason::RATE_LIMITED));
}

}  // namespace
}  // namespace parley::e2e
