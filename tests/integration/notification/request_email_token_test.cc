#include <gmock/gmock.h>

#include "absl/strings/escaping.h"
#include "services/notification/requested_keys.h"
#include "tests/integration/notification/tokens.h"
#include "tests/integration/notification/world.h"

namespace parley::notification {
namespace {

using test::Succeeds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class RequestEmailTokenTest : public World {
 protected:
  static v1::RequestEmailTokenRequest OfKey(const std::string& key) {
    v1::RequestEmailTokenRequest request;
    request.set_key(key);
    return request;
  }
  static v1::RequestEmailTokenRequest OfParty(const std::string& event, const std::string& address) {
    v1::RequestEmailTokenRequest request;
    request.mutable_party()->set_event(event);
    request.mutable_party()->set_address(address);
    return request;
  }
  absl::StatusOr<google::protobuf::Empty> Ask(const rpc::Call& call, const v1::RequestEmailTokenRequest& request) {
    return Run(&RequestEmailToken, call, request);
  }

  int Waiting() { return std::stoi(database_.Sql("select count(*)::text from parley.email_token_requests")); }
  // As the dispatcher does, until nothing is due.
  void WorkOff() {
    while (true) {
      const auto worked_off = requested_keys_.WorkOffOne(absl::Seconds(5));
      ASSERT_THAT(worked_off, Succeeds());
      if (!*worked_off) return;
    }
  }
  // How many keys are mailed in answer to this.
  int Mailed(const v1::RequestEmailTokenRequest& request) {
    const std::string count = "select count(*)::text from parley.notifications where cause = 'REQUEST_EMAIL_TOKEN'";
    const int before = std::stoi(database_.Sql(count));
    EXPECT_THAT(Ask(AsNobody(), request), Succeeds());
    WorkOff();
    EXPECT_EQ(Waiting(), 0);
    return std::stoi(database_.Sql(count)) - before;
  }

  Tokens tokens_{signer_};
  TokenClient client_{signer_, tokens_.address()};
  RequestedKeys requested_keys_{pool_, signer_, client_};
  const data::Event event_ = MakeEvent();
};

TEST_F(RequestEmailTokenTest, T7_TheAnswerAndTheWorkAreTheSameForAll) {
  const data::Event deleted = MakeEvent();
  ASSERT_THAT(Delete(deleted), Succeeds());
  const data::User deactivated = MakeUser("cid@example.com");
  SetState(deactivated, "DEACTIVATED");
  const std::vector<v1::RequestEmailTokenRequest> requests{
      OfParty(event_.name(), "bob@example.com"),                               // a party
      OfParty(event_.name(), "eve@example.com"),                               // not of this event
      OfParty(event_.name(), "new@example.com"),                               // of nothing
      OfParty(event_.name(), "cid@example.com"),                               // deactivated
      OfParty(deleted.name(), "bob@example.com"),                              // of a deleted event
      OfParty("events/" + Uuid::TimeOrdered().ToString(), "bob@example.com"),  // of no event
      OfKey(tokens_.MakeKeyOf(event_.id, bob_.id)),                            // a key that was made, expired or not
      OfKey(tokens_.MakeKeyOf(event_.id, deactivated.id)),                     // one of somebody deactivated
      OfKey(tokens_.MakeKeyOf(deleted.id, bob_.id)),                           // one of a deleted event
      OfKey(data::MakeKey(data::kGuestKeyPrefix)),                             // one that was never made, or revoked
  };
  const std::vector<rpc::Call> callers{AsNobody(), CallOf(bob_), CallOf(eve_), AsGuest(bob_, event_.id),
                                       AsStaff(staff_)};
  int asked = 0;
  for (const rpc::Call& call : callers) {
    for (const auto& request : requests) {
      auto before = Tables();
      const auto answer = Ask(call, request);
      ASSERT_THAT(answer, Succeeds());
      EXPECT_EQ(answer->SerializeAsString(), "");
      EXPECT_EQ(Waiting(), ++asked);
      EXPECT_EQ(woken_, asked);
      // One row, and nothing else was touched.
      auto after = Tables();
      before.erase("email_token_requests");
      after.erase("email_token_requests");
      EXPECT_EQ(after, before);
    }
  }
  // And nobody asked the token service for it.
  EXPECT_EQ(tokens_.found(), 0);
}

TEST_F(RequestEmailTokenTest, T7_NoKeyAndNoAddressIsKept) {
  const std::string key = tokens_.MakeKeyOf(event_.id, bob_.id);
  ASSERT_THAT(Ask(AsNobody(), OfKey(key)), Succeeds());
  ASSERT_THAT(Ask(AsNobody(), OfParty(event_.name(), "Bob@example.com")), Succeeds());
  const std::string rows = Tables().at("email_token_requests");
  for (const std::string& text : {key, key.substr(data::kGuestKeyPrefix.size()), std::string("bob@example.com"),
                                  std::string("Bob@example.com"), std::string("bob"), std::string("example")}) {
    EXPECT_THAT(rows, Not(HasSubstr(text)));
    EXPECT_THAT(rows, Not(HasSubstr(absl::BytesToHexString(text))));
    // Nor a digest that everybody can make.
    if (text != key) {
      EXPECT_THAT(rows, Not(HasSubstr(absl::BytesToHexString(data::HashKey(text)))));
    }
  }
}

TEST_F(RequestEmailTokenTest, NamesAllBadFieldsAndWritesNothing) {
  auto refuse = [&](const v1::RequestEmailTokenRequest& request, const std::set<std::string>& fields) {
    ExpectRefused(kInvalid, error::v1::INVALID_FIELDS, [&] { return Ask(AsNobody(), request); });
    EXPECT_EQ(BadFields(Ask(AsNobody(), request).status()), fields);
  };
  refuse({}, {"subject"});
  refuse(OfParty("events/x", "bob"), {"party.event", "party.address"});
  refuse(OfParty("", ""), {"party.event", "party.address"});
  refuse(OfKey(""), {"key"});
  refuse(OfKey("parley_guest_x"), {"key"});
  refuse(OfKey(data::MakeKey(data::kApiKeyPrefix)), {"key"});
}

TEST_F(RequestEmailTokenTest, T7_ThePartyIsSentOneInItsOwnName) {
  ASSERT_EQ(Mailed(OfParty(event_.name(), "BOB@Example.com")), 1);
  const Notification sent = NotificationsOf(event_).at(0);
  EXPECT_EQ(sent.recipient_id, bob_.id);
  EXPECT_EQ(sent.sender_id, bob_.id);
  EXPECT_EQ(sent.state, v1::Notification::PENDING);
  EXPECT_EQ(sent.cause, v1::Notification::REQUEST_EMAIL_TOKEN);
  // With its entry, whose effector is the party.
  const auto log = Log(event_);
  ASSERT_THAT(log, SizeIs(1));
  EXPECT_EQ(log[0].occurrence, event::v1::LogEntry::NOTIFY);
  EXPECT_EQ(log[0].sequence, event_.last_sequence + 1);
  EXPECT_EQ(log[0].revision, event_.revision);
  EXPECT_EQ(log[0].effector_id, bob_.id);
  EXPECT_EQ(log[0].data.recipient_id(), bob_.id.ToBytes());
  EXPECT_EQ(log[0].data.sender_id(), bob_.id.ToBytes());
  EXPECT_EQ(log[0].data.notification_id(), sent.id.ToBytes());
  EXPECT_EQ(log[0].data.email_token_id(), "");
  EXPECT_EQ(log[0].data.acted_by_id(), "");
}

TEST_F(RequestEmailTokenTest, T7_AKeyIsForItsOwnParty) {
  ASSERT_EQ(Mailed(OfKey(tokens_.MakeKeyOf(event_.id, bob_.id))), 1);
  EXPECT_EQ(NotificationsOf(event_).at(0).recipient_id, bob_.id);
}

TEST_F(RequestEmailTokenTest, T7_NobodyElseIsMailed) {
  const data::Event deleted = MakeEvent();
  const std::string key_of_deleted = tokens_.MakeKeyOf(deleted.id, bob_.id);
  ASSERT_THAT(Delete(deleted), Succeeds());
  SetState(MakeUser("cid@example.com"), "DEACTIVATED");
  const auto before = Tables();
  for (const auto& request : {OfParty(event_.name(), "eve@example.com"), OfParty(event_.name(), "new@example.com"),
                              OfParty(event_.name(), "cid@example.com"), OfParty(deleted.name(), "bob@example.com"),
                              OfParty("events/" + Uuid::TimeOrdered().ToString(), "bob@example.com"),
                              OfKey(tokens_.MakeKeyOf(event_.id, MakeUser("cid@example.com").id)),
                              OfKey(tokens_.MakeKeyOf(event_.id, eve_.id)), OfKey(key_of_deleted),
                              OfKey(data::MakeKey(data::kGuestKeyPrefix))}) {
    EXPECT_EQ(Mailed(request), 0) << request.DebugString();
  }
  EXPECT_EQ(Tables(), before);
}

TEST_F(RequestEmailTokenTest, T7_WorksOnClosedEvents) {
  data::Event event = event_;
  event.state = event::v1::Event::SUPERSEDED;
  Do([&](data::Transaction& tx) { return data::Events(tx).Save({event}); }).IgnoreError();
  EXPECT_EQ(Mailed(OfParty(event_.name(), "bob@example.com")), 1);
}

TEST_F(RequestEmailTokenTest, T7_OnceInTenMinutes) {
  const auto request = OfParty(event_.name(), "bob@example.com");
  EXPECT_EQ(Mailed(request), 1);
  EXPECT_EQ(Mailed(request), 0);
  EXPECT_EQ(Mailed(OfKey(tokens_.MakeKeyOf(event_.id, bob_.id))), 0);
  TimePasses("9 minutes 30 seconds");
  EXPECT_EQ(Mailed(request), 0);
  // Other parties and other events are another matter.
  EXPECT_EQ(Mailed(OfParty(event_.name(), "cid@example.com")), 1);
  EXPECT_EQ(Mailed(OfParty(MakeEvent().name(), "bob@example.com")), 1);
  TimePasses("31 seconds");
  EXPECT_EQ(Mailed(request), 1);
}

TEST_F(RequestEmailTokenTest, T7_FiveTimesADay) {
  const auto request = OfParty(event_.name(), "bob@example.com");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Mailed(request), 1) << i;
    TimePasses("1 hour");
  }
  EXPECT_EQ(Mailed(request), 0);
  TimePasses("18 hours 59 minutes");
  EXPECT_EQ(Mailed(request), 0);
  TimePasses("1 minute");
  EXPECT_EQ(Mailed(request), 1);
  EXPECT_EQ(Mailed(request), 0);
}

TEST_F(RequestEmailTokenTest, T7_DoesNotCountAsANotificationByASender) {
  limits_.max_daily_notifications = 1;
  limits_.max_daily_recipients = 1;
  EXPECT_EQ(Mailed(OfParty(event_.name(), "bob@example.com")), 1);
  // N8 counts none for bob yet, as recipient or as sender; and T7 does not count what a sender sent.
  NotifyOne(bob_, event_, "cid@example.com");
  NotifyOne(ann_, event_, "bob@example.com");
  TimePasses("11 minutes");
  EXPECT_EQ(Mailed(OfParty(event_.name(), "bob@example.com")), 1);
}

TEST_F(RequestEmailTokenTest, T7_RacingRequestsMailOnce) {
  for (int i = 0; i < 16; ++i) {
    ASSERT_THAT(Ask(AsNobody(), OfParty(event_.name(), "bob@example.com")), Succeeds());
  }
  AtOnce(8, [&](int) { WorkOff(); });
  EXPECT_EQ(Waiting(), 0);
  EXPECT_THAT(NotificationsOf(event_), SizeIs(1));
  EXPECT_THAT(Log(event_), SizeIs(1));
}

TEST_F(RequestEmailTokenTest, T7_ARequestIsWorkedOffByOneAtATime) {
  ASSERT_THAT(Ask(AsNobody(), OfParty(event_.name(), "bob@example.com")), Succeeds());
  auto claim = [&] {
    return Do([](data::Transaction& tx) { return EmailTokenRequests(tx).Claim(absl::Minutes(1)); }).value();
  };
  const auto claimed = claim();
  ASSERT_TRUE(claimed);
  EXPECT_FALSE(claim());
  // Its lease is up: whoever deletes it first goes on.
  database_.Sql("update parley.email_token_requests set next_attempt_time = now()");
  EXPECT_EQ(claim()->id, claimed->id);
  auto remove = [&] {
    return Do([&](data::Transaction& tx) { return EmailTokenRequests(tx).Delete(claimed->id); }).value();
  };
  EXPECT_TRUE(remove());
  EXPECT_FALSE(remove());
}

TEST_F(RequestEmailTokenTest, T7_WithoutTheTokenServiceItStaysForLater) {
  const std::string key = tokens_.MakeKeyOf(event_.id, bob_.id);
  tokens_.FailFind(grpc::StatusCode::UNAVAILABLE);
  ASSERT_THAT(Ask(AsNobody(), OfKey(key)), Succeeds());
  WorkOff();
  EXPECT_EQ(Waiting(), 1);
  EXPECT_THAT(NotificationsOf(event_), IsEmpty());
  tokens_.FailFind(grpc::StatusCode::OK);
  database_.Sql("update parley.email_token_requests set next_attempt_time = now()");
  WorkOff();
  EXPECT_EQ(Waiting(), 0);
  EXPECT_THAT(NotificationsOf(event_), SizeIs(1));
}

}  // namespace
}  // namespace parley::notification
