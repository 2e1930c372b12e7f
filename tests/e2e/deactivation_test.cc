// What ends by itself when a user is deactivated, demoted, or an event deleted, and how soon.
#include "tests/e2e/e2e_test.h"

namespace parley::e2e {
namespace {

using absl::StatusCode;
using ::testing::SizeIs;
using token::v1::User;

token::v1::DeactivateUserRequest Deactivation(const std::string& user) {
  token::v1::DeactivateUserRequest request;
  request.set_name(user);
  return request;
}

token::v1::ActivateUserRequest Activation(const std::string& user) {
  token::v1::ActivateUserRequest request;
  request.set_name(user);
  return request;
}

token::v1::UpdateUserRequest RoleChange(const std::string& user, User::Role role) {
  token::v1::UpdateUserRequest request;
  request.mutable_user()->set_name(user);
  request.mutable_user()->set_role(role);
  return request;
}

class DeactivationTest : public E2eTest {
 protected:
  // Whoever asks whether a key is still taken asks often.
  static void SetUpTestSuite() {
    StartSystem({{"event", {{"views-per-minute", "100000"}}}, {"notification", {{"retry-pause", "500ms"}}}});
  }

  static Notification Read(const std::string& name) {
    notification::v1::GetNotificationRequest request;
    request.set_name(name);
    const auto read = Staff().Call(&NotificationStub::GetNotification, request);
    EXPECT_THAT(read, Succeeds());
    return read.ok() ? *read : Notification();
  }
};

TEST_F(DeactivationTest, U4_U6_T5_ADeactivatedUsersCredentialsAreDeadWithinASecondUntilActivatedAgain) {
  const std::string address = "shut.out@example.com";
  Client staff = Staff();
  Client owner = Member("owner@example.com");
  Client member = Member(address);
  Client acting = StaffFor(address);
  ASSERT_OK_AND_ASSIGN(const Event event,
                       owner.Call(&Events::CreateEvent, Proposal({address}, {SlotIn(2), SlotIn(3)})));
  Client guest = system->As(GuestKey(owner, event, address));
  const auto by = [&](Client& client) {
    return [&client, &event] { return client.Call(&Events::GetEvent, Named(event.name())).status(); };
  };
  // All have been seen, and are remembered, when it happens.
  for (Client* client : {&member, &guest, &acting}) ASSERT_THAT(by(*client)(), Succeeds());
  const std::string user = UserOf(address);
  ASSERT_OK_AND_ASSIGN(const User deactivated, staff.Call(&Tokens::DeactivateUser, Deactivation(user)));
  EXPECT_LE(TrustedFor(absl::Now(), {by(member), by(guest), by(acting)}), absl::Seconds(1));
  EXPECT_EQ(deactivated.state(), User::DEACTIVATED);
  for (Client* client : {&member, &guest}) {
    EXPECT_THAT(by(*client)(), Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_INVALID));
  }
  const absl::Status cannot_act = by(acting)();
  EXPECT_THAT(cannot_act, Fails(StatusCode::kFailedPrecondition, Reason::USER_STATE));
  EXPECT_EQ(InfoOf(cannot_act, "state"), "DEACTIVATED");
  token::v1::CreateApiKeyRequest create_key;
  create_key.set_parent(user);
  EXPECT_THAT(staff.Call(&Tokens::CreateApiKey, create_key),
              Fails(StatusCode::kFailedPrecondition, Reason::USER_STATE));

  // Notifications are suppressed: on the log, but not in the mail.
  ASSERT_OK_AND_ASSIGN(const auto told, owner.Call(&NotificationStub::NotifyParties, Notice(event, {address})));
  const std::string notification = told.notifications(0).name();
  EXPECT_TRUE(Eventually([&] { return Read(notification).state() == Notification::SUPPRESSED; }));
  EXPECT_THAT(Read(notification).attempts(), IsEmpty());
  EXPECT_EQ(LogOf(owner, event.name()).back().data().recipient(), address);
  // One who comes after him is told: his was looked at before.
  ASSERT_THAT(owner.Call(&NotificationStub::NotifyParties, Notice(event, {"owner@example.com"})), Succeeds());
  EXPECT_TRUE(Eventually([] { return system->Mails("owner@example.com").size() == 1; }));
  EXPECT_THAT(system->Mails(address), SizeIs(1));

  // The same keys open the same things again.
  ASSERT_OK_AND_ASSIGN(const User activated, staff.Call(&Tokens::ActivateUser, Activation(user)));
  EXPECT_EQ(activated.state(), User::ACTIVE);
  for (Client* client : {&member, &guest, &acting}) {
    EXPECT_TRUE(Eventually([&] { return by(*client)().ok(); }));
  }
  notification::v1::RetryNotificationRequest retry;
  retry.set_name(notification);
  ASSERT_THAT(staff.Call(&NotificationStub::RetryNotification, retry), Succeeds());
  EXPECT_TRUE(Eventually([&] { return Read(notification).state() == Notification::SENT; }));
  EXPECT_THAT(system->Mails(address), SizeIs(2));
}

TEST_F(DeactivationTest, U4_WhatIsWaitingWhenItsRecipientIsDeactivatedIsSuppressed) {
  const std::string address = "defer.waiting@example.org";
  Client owner = Member("waiting@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, owner.Call(&Events::CreateEvent, Proposal({address}, {SlotIn(2)})));
  ASSERT_OK_AND_ASSIGN(const auto told, owner.Call(&NotificationStub::NotifyParties, Notice(event, {address})));
  const std::string notification = told.notifications(0).name();
  ASSERT_TRUE(Eventually([&] { return Read(notification).attempts_size() > 0; }));
  ASSERT_THAT(Staff().Call(&Tokens::DeactivateUser, Deactivation(UserOf(address))), Succeeds());
  EXPECT_TRUE(Eventually([&] { return Read(notification).state() == Notification::SUPPRESSED; }));
}

TEST_F(DeactivationTest, A7_ADeactivatedPartyStillCounts) {
  const std::string address = "counts@example.com";
  Client owner = Member("counting@example.com");
  Client member = Member(address);
  Client staff = Staff();
  ASSERT_OK_AND_ASSIGN(const Event event, owner.Call(&Events::CreateEvent, Proposal({address}, {SlotIn(2)})));
  ASSERT_THAT(staff.Call(&Tokens::DeactivateUser, Deactivation(UserOf(address))), Succeeds());
  ASSERT_OK_AND_ASSIGN(const Event waiting, owner.Call(&Events::ConfirmEvent, Confirmation(event)));
  EXPECT_EQ(waiting.state(), Event::OPEN);
  EXPECT_THAT(waiting.parties(), SizeIs(2));
  ASSERT_THAT(staff.Call(&Tokens::ActivateUser, Activation(UserOf(address))), Succeeds());
  absl::StatusOr<Event> agreed;
  ASSERT_TRUE(Eventually([&] {
    agreed = member.Call(&Events::ConfirmEvent, Confirmation(event));
    return agreed.ok();
  }));
  EXPECT_EQ(agreed->state(), Event::AGREED);
}

TEST_F(DeactivationTest, U4_WhoIsNoLongerStaffHasNoLongerTheirRightsWithinASecond) {
  const std::string address = "once.staff@example.com";
  Client staff = Staff();
  Client other = Member(address);
  const auto lists_users = [&] { return other.Call(&Tokens::ListUsers, {}).status(); };
  ASSERT_THAT(staff.Call(&Tokens::UpdateUser, RoleChange(UserOf(address), User::STAFF)), Succeeds());
  ASSERT_TRUE(Eventually([&] { return lists_users().ok(); }));
  ASSERT_THAT(staff.Call(&Tokens::UpdateUser, RoleChange(UserOf(address), User::MEMBER)), Succeeds());
  EXPECT_LE(TrustedFor(absl::Now(), {lists_users}), absl::Seconds(1));
  EXPECT_THAT(lists_users(), Fails(StatusCode::kPermissionDenied, Reason::PERMISSION_DENIED));
}

TEST_F(DeactivationTest, U6_T5_WhoeverActsForAUserStopsWithTheOwnDeactivationToo) {
  const std::string backend = "backend@example.com";
  const std::string key = system->MakeMember(backend);
  Member("its.user@example.com");
  Client staff = Staff();
  ASSERT_THAT(staff.Call(&Tokens::UpdateUser, RoleChange(UserOf(backend), User::STAFF)), Succeeds());
  Client acting = system->As(key, {{"parley-act-for", "its.user@example.com"}});
  const auto acts = [&] { return acting.Call(&Events::ListEvents, {}).status(); };
  ASSERT_TRUE(Eventually([&] { return acts().ok(); }));
  ASSERT_THAT(staff.Call(&Tokens::DeactivateUser, Deactivation(UserOf(backend))), Succeeds());
  EXPECT_LE(TrustedFor(absl::Now(), {acts}), absl::Seconds(1));
  EXPECT_THAT(acts(), Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_INVALID));
}

TEST_F(DeactivationTest, U6_L2_TheLogSaysWhoActedAndWhoTheEffectorIs) {
  const std::string address = "principal@example.com";
  Client owner = Member("proposes@example.com");
  Member(address);
  Client acting = StaffFor("Principal@EXAMPLE.com");
  ASSERT_OK_AND_ASSIGN(const Event event,
                       owner.Call(&Events::CreateEvent, Proposal({address}, {SlotIn(2), SlotIn(3)})));
  ASSERT_OK_AND_ASSIGN(const Event seen, acting.Call(&Events::GetEvent, Named(event.name())));
  ASSERT_OK_AND_ASSIGN(const auto told,
                       acting.Call(&NotificationStub::NotifyParties, Notice(seen, {"proposes@example.com"})));
  EXPECT_EQ(told.notifications(0).sender(), address);
  ASSERT_OK_AND_ASSIGN(const Event narrowed, acting.Call(&Events::UpdateEvent, Narrowed(seen, {event.slots(0)})));
  EXPECT_THAT(ConfirmedIn(narrowed), ElementsAre(address));
  ASSERT_OK_AND_ASSIGN(const Event again, acting.Call(&Events::ReopenEvent, Reopening(narrowed)));
  EXPECT_EQ(again.initiator(), address);
  auto log = LogOf(owner, event.name());
  const auto successor = LogOf(owner, again.name());
  ASSERT_THAT(log, SizeIs(5));
  ASSERT_THAT(successor, SizeIs(1));
  EXPECT_EQ(log[0].data().acted_by(), "");
  log.erase(log.begin());
  log.push_back(successor[0]);
  for (const LogEntry& entry : log) {
    SCOPED_TRACE(entry.ShortDebugString());
    EXPECT_EQ(entry.effector(), address);
    EXPECT_EQ(entry.data().acted_by(), system->staff_address());
    EXPECT_EQ(entry.data().email_token(), "");
  }
}

TEST_F(DeactivationTest, E10_T5_WithTheEventItsTokensAreDeadWithinASecondAndItsMailsAreCancelled) {
  Client staff = Staff();
  Client owner = Member("deletes@example.com");
  ASSERT_OK_AND_ASSIGN(
      const Event event,
      owner.Call(&Events::CreateEvent,
                 Proposal({"one@example.org", "two@example.org", "defer.three@example.org"}, {SlotIn(2)})));
  ASSERT_OK_AND_ASSIGN(const Event other,
                       owner.Call(&Events::CreateEvent, Proposal({"four@example.org"}, {SlotIn(2)})));
  Client one = system->As(GuestKey(owner, event, "one@example.org"));
  Client two = system->As(GuestKey(owner, event, "two@example.org"));
  Client of_other = system->As(GuestKey(owner, other, "four@example.org"));
  ASSERT_OK_AND_ASSIGN(const auto told,
                       owner.Call(&NotificationStub::NotifyParties, Notice(event, {"defer.three@example.org"})));
  token::v1::GetEmailTokenRequest self;
  self.set_name("events/-/emailTokens/self");
  const auto by = [&](Client& guest) { return [&] { return guest.Call(&Tokens::GetEmailToken, self).status(); }; };
  ASSERT_THAT(by(one)(), Succeeds());
  ASSERT_THAT(by(two)(), Succeeds());
  ASSERT_THAT(staff.Call(&Events::DeleteEvent, Deletion(event)), Succeeds());
  EXPECT_LE(TrustedFor(absl::Now(), {by(one), by(two)}), absl::Seconds(1));
  EXPECT_THAT(by(one)(), Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_INVALID));
  EXPECT_THAT(of_other.Call(&Events::GetEvent, Named(other.name())), Succeeds());
  const std::string id = told.notifications(0).name().substr(told.notifications(0).name().rfind('/') + 1);
  EXPECT_TRUE(Eventually([&] {
    return database->Sql("select state from parley.notifications where notification_id = '" + id + "'") == "CANCELLED";
  }));
}

TEST_F(DeactivationTest, T5_APartyRevokesTheOwnTokenAndAGuestTheOneThatHeCallsWith) {
  const std::string address = "revokes@example.com";
  Client owner = Member("mails@example.com");
  Client party = Member(address);
  ASSERT_OK_AND_ASSIGN(const Event event, owner.Call(&Events::CreateEvent, Proposal({address}, {SlotIn(2)})));
  Client first = system->As(GuestKey(owner, event, address));
  ASSERT_THAT(owner.Call(&NotificationStub::NotifyParties, Notice(event, {address})), Succeeds());
  Client second = system->As(MailedKey(address, 1));
  const auto by = [&](Client& guest) {
    return [&] { return guest.Call(&Events::GetEvent, Named(event.name())).status(); };
  };
  ASSERT_THAT(by(first)(), Succeeds());
  ASSERT_THAT(by(second)(), Succeeds());
  token::v1::RevokeEmailTokenRequest revoke;
  revoke.set_name("events/-/emailTokens/self");
  ASSERT_THAT(first.Call(&Tokens::RevokeEmailToken, revoke), Succeeds());
  EXPECT_LE(TrustedFor(absl::Now(), {by(first)}), absl::Seconds(1));
  ASSERT_THAT(by(second)(), Succeeds()) << "each has a token of its own";
  token::v1::ListEmailTokensRequest list;
  list.set_parent(event.name());
  ASSERT_OK_AND_ASSIGN(const auto tokens, party.Call(&Tokens::ListEmailTokens, list));
  ASSERT_THAT(tokens.email_tokens(), SizeIs(2));
  EXPECT_FALSE(tokens.email_tokens(0).has_revoke_time());
  EXPECT_TRUE(tokens.email_tokens(1).has_revoke_time());
  revoke.set_name(tokens.email_tokens(0).name());
  ASSERT_THAT(party.Call(&Tokens::RevokeEmailToken, revoke), Succeeds());
  EXPECT_LE(TrustedFor(absl::Now(), {by(second)}), absl::Seconds(1));
  EXPECT_THAT(by(second)(), Fails(StatusCode::kUnauthenticated, Reason::CREDENTIAL_INVALID));
}

}  // namespace
}  // namespace parley::e2e
