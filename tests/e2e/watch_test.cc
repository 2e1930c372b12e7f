// Following events live, by the contract: what comes, in which order, until when.
#include <csignal>
#include <numeric>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/stream.h"

namespace parley::e2e {
namespace {

using event::v1::WatchEventRequest;
using event::v1::WatchEventResponse;
using event::v1::WatchEventsRequest;
using event::v1::WatchEventsResponse;
using EventStream = test::Stream<WatchEventResponse>;
using LogStream = test::Stream<WatchEventsResponse>;

WatchEventRequest From(const std::string& name, int64_t after = 0) {
  WatchEventRequest request;
  request.set_name(name);
  request.set_after_sequence(after);
  return request;
}

WatchEventsRequest FromCursor(const std::string& cursor) {
  WatchEventsRequest request;
  request.set_cursor(cursor);
  return request;
}

WatchEventsRequest FromNow() {
  WatchEventsRequest request;
  request.set_only_new(true);
  return request;
}

std::vector<int64_t> SequencesOf(const std::vector<WatchEventResponse>& steps) {
  std::vector<int64_t> sequences;
  for (const auto& step : steps) sequences.push_back(step.sequence());
  return sequences;
}

std::vector<std::string> EntriesOf(const std::vector<WatchEventsResponse>& steps) {
  std::vector<std::string> names;
  for (const auto& step : steps) names.push_back(step.log_entry().name());
  return names;
}

class WatchTest : public E2eTest {
 protected:
  static void SetUpTestSuite() {
    StartSystem({{"event",
                  {{"watch-progress", "1s"},
                   {"slow-reader", "2s"},
                   {"max-watches-of-caller", "5"},
                   {"views-per-minute", "100000"}}}});
  }

  static Client& Ann() {
    static Client* ann = new Client(Member("ann@example.com"));
    return *ann;
  }
};

TEST_F(WatchTest, A2_L1_AnEventIsToldFromTheBeginningThenLiveWithTheEventAsItThenStood) {
  Client ann = Ann(), bob = Member("bob@example.com");
  ASSERT_OK_AND_ASSIGN(const Event created,
                       ann.Call(&Events::CreateEvent, Proposal({"bob@example.com"}, {SlotIn(1), SlotIn(2)})));
  ASSERT_OK_AND_ASSIGN(const Event narrowed, bob.Call(&Events::UpdateEvent, Narrowed(created, {SlotIn(2)})));
  EventStream stream(ann, &Events::WatchEvent, From(created.name()));
  ASSERT_TRUE(stream.AwaitSteps(2));
  ASSERT_TRUE(stream.AwaitProgress());
  ASSERT_OK_AND_ASSIGN(const Event agreed, ann.Call(&Events::ConfirmEvent, Confirmation(narrowed)));
  ASSERT_TRUE(stream.AwaitSteps(3));
  const auto steps = stream.steps();
  EXPECT_THAT(SequencesOf(steps), ElementsAre(1, 2, 3));
  EXPECT_EQ(steps[0].event().SerializeAsString(), created.SerializeAsString());
  EXPECT_EQ(steps[1].event().SerializeAsString(), narrowed.SerializeAsString());
  EXPECT_EQ(steps[2].event().SerializeAsString(), agreed.SerializeAsString());
  // Nothing was written by watching.
  const auto log = LogOf(ann, created.name());
  ASSERT_EQ(log.size(), 3);
  for (size_t i = 0; i < log.size(); ++i) {
    EXPECT_EQ(steps[i].log_entry().SerializeAsString(), log[i].SerializeAsString());
  }
}

TEST_F(WatchTest, AWatchOfAnEventGoesOnFromAnySequence) {
  Client ann = Ann();
  ASSERT_OK_AND_ASSIGN(const Event event, ann.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1)})));
  for (int i = 0; i < 4; ++i) ASSERT_THAT(ann.Call(&Events::GetEvent, Named(event.name())), Succeeds());
  for (int64_t after = 0; after <= 5; ++after) {
    EventStream stream(ann, &Events::WatchEvent, From(event.name(), after));
    ASSERT_TRUE(stream.AwaitProgress());
    std::vector<int64_t> expected;
    for (int64_t sequence = after + 1; sequence <= 5; ++sequence) expected.push_back(sequence);
    EXPECT_EQ(SequencesOf(stream.steps()), expected);
    EXPECT_EQ(stream.messages().back().sequence(), 5);
  }
  EventStream beyond(ann, &Events::WatchEvent, From(event.name(), 6));
  EXPECT_THAT(beyond.AwaitEnd(), Fails(absl::StatusCode::kOutOfRange, error::v1::CURSOR_INVALID));
}

TEST_F(WatchTest, ALongLogIsToldWhole) {
  Client ann = Ann();
  ASSERT_OK_AND_ASSIGN(Event event, ann.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1)})));
  for (int i = 2; i <= 350; ++i) {
    event.set_title(absl::StrCat("title ", i));
    event::v1::UpdateEventRequest update;
    *update.mutable_event() = event;
    update.mutable_update_mask()->add_paths("title");
    ASSERT_OK_AND_ASSIGN(event, ann.Call(&Events::UpdateEvent, update));
  }
  EventStream of_event(ann, &Events::WatchEvent, From(event.name()));
  LogStream of_all(ann, &Events::WatchEvents, {});
  ASSERT_TRUE(of_event.AwaitProgress());
  const auto told = of_event.steps();
  ASSERT_EQ(told.size(), 350);
  for (int i = 2; i <= 350; ++i) {
    const auto& step = told[i - 1];
    ASSERT_EQ(step.sequence(), i);
    ASSERT_EQ(step.event().title(), absl::StrCat("title ", i));
    ASSERT_EQ(step.event().revision(), i);
  }
  ASSERT_TRUE(Eventually([&] {
    const auto steps = of_all.steps();
    return !steps.empty() && steps.back().event().name() == event.name() && steps.back().event().revision() == 350;
  }));
  int64_t revision = 0;
  for (const auto& step : of_all.steps()) {
    if (step.event().name() != event.name()) continue;
    ASSERT_EQ(step.log_entry().sequence(), ++revision);
    ASSERT_EQ(step.event().revision(), revision);
  }
  EXPECT_EQ(revision, 350);
}

TEST_F(WatchTest, E10_TheDeletionIsToldThenTheStreamEndsWellForGuestsToo) {
  Client ann = Ann(), staff = Staff();
  ASSERT_OK_AND_ASSIGN(const Event event,
                       ann.Call(&Events::CreateEvent, Proposal({"leaver@example.org"}, {SlotIn(1), SlotIn(2)})));
  Client guest = system->As(GuestKey(ann, event, "leaver@example.org"));
  EventStream of_party(ann, &Events::WatchEvent, From(event.name()));
  EventStream of_guest(guest, &Events::WatchEvent, From(event.name()));
  LogStream of_all(ann, &Events::WatchEvents, FromNow());
  ASSERT_TRUE(of_party.AwaitProgress() && of_guest.AwaitProgress() && of_all.AwaitProgress());
  // Since it may have begun before what was written last was placed.
  const auto tells_deletion = [&] {
    const auto steps = of_all.steps();
    return !steps.empty() && steps.back().log_entry().data().deleted();
  };
  ASSERT_THAT(staff.Call(&Events::DeleteEvent, Deletion(event)), Succeeds());
  for (const EventStream* stream : {&of_party, &of_guest}) {
    EXPECT_THAT(stream->AwaitEnd(), Succeeds());
    ASSERT_FALSE(stream->steps().empty());
    EXPECT_TRUE(stream->steps().back().log_entry().data().deleted());
    EXPECT_EQ(stream->steps().back().event().revision(), 2);
  }
  EXPECT_TRUE(Eventually(tells_deletion));
  EXPECT_FALSE(of_all.has_ended());
  // Whoever comes later, and may, is told the same.
  EventStream later(ann, &Events::WatchEvent, From(event.name()));
  EXPECT_THAT(later.AwaitEnd(), Succeeds());
  EXPECT_TRUE(later.steps().back().log_entry().data().deleted());
  EventStream behind(ann, &Events::WatchEvent, From(event.name(), later.steps().back().sequence()));
  EXPECT_THAT(behind.AwaitEnd(), Succeeds());
  EXPECT_THAT(behind.steps(), IsEmpty());
}

TEST_F(WatchTest, AllEventsAreToldToStaffAndTheirOwnToMembersAndEachGoesOnFromAnyCursor) {
  Client ann = Ann(), eve = Member("eve@example.com"), staff = Staff();
  LogStream to_ann(ann, &Events::WatchEvents, FromNow()), to_eve(eve, &Events::WatchEvents, FromNow()),
      to_staff(staff, &Events::WatchEvents, FromNow());
  ASSERT_TRUE(to_ann.AwaitProgress() && to_eve.AwaitProgress() && to_staff.AwaitProgress());
  std::vector<std::string> of_ann, of_eve, all;
  for (int i = 0; i < 10; ++i) {
    ASSERT_OK_AND_ASSIGN(const Event mine, ann.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1)})));
    ASSERT_OK_AND_ASSIGN(const Event hers, eve.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1)})));
    of_ann.push_back(mine.name() + "/logEntries/1");
    of_eve.push_back(hers.name() + "/logEntries/1");
  }
  ASSERT_OK_AND_ASSIGN(const Event both, ann.Call(&Events::CreateEvent, Proposal({"eve@example.com"}, {SlotIn(1)})));
  of_ann.push_back(both.name() + "/logEntries/1");
  of_eve.push_back(both.name() + "/logEntries/1");
  ASSERT_TRUE(to_ann.AwaitSteps(11) && to_eve.AwaitSteps(11) && to_staff.AwaitSteps(21));
  EXPECT_THAT(EntriesOf(to_ann.steps()), ::testing::UnorderedElementsAreArray(of_ann));
  EXPECT_THAT(EntriesOf(to_eve.steps()), ::testing::UnorderedElementsAreArray(of_eve));
  // The order is the same for all, and for ever.
  const auto steps = to_staff.steps();
  for (size_t i = 0; i < steps.size(); i += 5) {
    LogStream resumed(staff, &Events::WatchEvents, FromCursor(steps[i].cursor()));
    ASSERT_TRUE(resumed.AwaitSteps(steps.size() - i - 1));
    const auto again = resumed.steps();
    for (size_t j = 0; j < again.size() && i + 1 + j < steps.size(); ++j) {
      EXPECT_EQ(again[j].SerializeAsString(), steps[i + 1 + j].SerializeAsString());
    }
  }
  // A cursor is no permission, and holds for everybody.
  LogStream by_eve(eve, &Events::WatchEvents, FromCursor(steps[0].cursor()));
  ASSERT_TRUE(by_eve.AwaitProgress());
  std::vector<std::string> expected;
  for (size_t i = 1; i < steps.size(); ++i) {
    if (::testing::Value(of_eve, ::testing::Contains(steps[i].log_entry().name()))) {
      expected.push_back(steps[i].log_entry().name());
    }
  }
  EXPECT_EQ(EntriesOf(by_eve.steps()), expected);
}

TEST_F(WatchTest, OnlyEntriesOfTheOccurrencesThatAreAskedForAreTold) {
  Client ann = Ann();
  WatchEventsRequest request = FromNow();
  request.add_occurrences(LogEntry::UPDATE);
  LogStream stream(ann, &Events::WatchEvents, request);
  ASSERT_TRUE(stream.AwaitProgress());
  ASSERT_OK_AND_ASSIGN(const Event event, ann.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1), SlotIn(2)})));
  ASSERT_THAT(ann.Call(&Events::GetEvent, Named(event.name())), Succeeds());
  ASSERT_THAT(ann.Call(&Events::UpdateEvent, Narrowed(event, {SlotIn(2)})), Succeeds());
  ASSERT_TRUE(stream.AwaitSteps(2));
  EXPECT_THAT(EntriesOf(stream.steps()), ElementsAre(event.name() + "/logEntries/1", event.name() + "/logEntries/3"));
}

TEST_F(WatchTest, AQuietReaderIsToldTheCursorAgainAndAgain) {
  Client ann = Ann(), staff = Staff();
  LogStream of_all(ann, &Events::WatchEvents, FromNow());
  ASSERT_TRUE(of_all.AwaitProgress());
  ASSERT_OK_AND_ASSIGN(const Event event, ann.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1)})));
  ASSERT_TRUE(of_all.AwaitSteps(1));
  const std::string before = of_all.messages().back().cursor();
  EventStream of_event(ann, &Events::WatchEvent, From(event.name(), 1));
  // Others' events take the cursor on.
  ASSERT_THAT(staff.Call(&Events::CreateEvent, Proposal({"somebody@example.org"}, {SlotIn(1)})), Succeeds());
  EXPECT_TRUE(Eventually([&] { return of_event.messages().size() >= 3; }));
  EXPECT_TRUE(Eventually([&] { return of_all.messages().back().cursor() != before; }));
  EXPECT_EQ(of_all.steps().size(), 1);
  EXPECT_THAT(of_event.steps(), IsEmpty());
  for (const auto& message : of_event.messages()) EXPECT_EQ(message.sequence(), 1);
}

TEST_F(WatchTest, WhatIsNotACursorAndWhatIsOneOfAnotherLogIsSaid) {
  Client ann = Ann();
  for (const char* cursor :
       {"x", "1", "-", "1-", "1-00", "0-0011223344556677", "-1-0011223344556677", "01-0011223344556677",
        "99999999999999999999-0011223344556677", "1-001122334455667G", "1-00112233445566AA"}) {
    LogStream stream(ann, &Events::WatchEvents, FromCursor(cursor));
    EXPECT_THAT(stream.AwaitEnd(), Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS)) << cursor;
  }
  for (const char* cursor : {"1-0011223344556677", "999999999999-0011223344556677"}) {
    LogStream stream(ann, &Events::WatchEvents, FromCursor(cursor));
    EXPECT_THAT(stream.AwaitEnd(), Fails(absl::StatusCode::kOutOfRange, error::v1::CURSOR_INVALID)) << cursor;
  }
  WatchEventsRequest both = FromCursor("0-");
  both.set_only_new(true);
  both.add_occurrences(LogEntry::OCCURRENCE_UNSPECIFIED);
  LogStream stream(ann, &Events::WatchEvents, both);
  const absl::Status bad = stream.AwaitEnd();
  EXPECT_THAT(bad, Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
  EXPECT_EQ(test::DetailOf<google::rpc::BadRequest>(bad)->field_violations_size(), 2);
  EventStream negative(ann, &Events::WatchEvent, From("events/nonsense", -1));
  EXPECT_EQ(test::DetailOf<google::rpc::BadRequest>(negative.AwaitEnd())->field_violations_size(), 2);
}

TEST_F(WatchTest, U4_T5_WhoseRightsEndIsCutOffWithinASecond) {
  Client ann = Ann(), staff = Staff();
  ASSERT_OK_AND_ASSIGN(
      const Event event,
      ann.Call(&Events::CreateEvent,
               Proposal({"fired@example.com", "former@example.org", "late@example.org"}, {SlotIn(1)})));
  const std::string key = system->MakeMember("fired@example.com");
  Client fired = system->As(key);
  Client guest = system->As(GuestKey(ann, event, "former@example.org"));
  Client acting = StaffFor("fired@example.com");
  EventStream by_key(fired, &Events::WatchEvent, From(event.name()));
  LogStream all_by_key(fired, &Events::WatchEvents, FromNow());
  EventStream by_staff(acting, &Events::WatchEvent, From(event.name()));
  EventStream by_guest(guest, &Events::WatchEvent, From(event.name()));
  EventStream by_ann(ann, &Events::WatchEvent, From(event.name()));
  ASSERT_TRUE(by_key.AwaitProgress() && all_by_key.AwaitProgress() && by_guest.AwaitProgress() &&
              by_ann.AwaitProgress() && by_staff.AwaitProgress());

  absl::Time revoked;
  const auto expect_end = [&revoked](const auto& stream, Reason reason) {
    EXPECT_THAT(stream.AwaitEnd(), Fails(absl::StatusCode::kUnauthenticated, reason));
    EXPECT_LT(absl::Now() - revoked, absl::Seconds(1));
  };
  token::v1::RevokeEmailTokenRequest revoke;
  revoke.set_name("events/-/emailTokens/self");
  ASSERT_THAT(guest.Call(&Tokens::RevokeEmailToken, revoke), Succeeds());
  revoked = absl::Now();
  expect_end(by_guest, error::v1::CREDENTIAL_INVALID);
  token::v1::DeactivateUserRequest deactivate;
  deactivate.set_name(UserOf("fired@example.com"));
  ASSERT_THAT(staff.Call(&Tokens::DeactivateUser, deactivate), Succeeds());
  revoked = absl::Now();
  expect_end(by_key, error::v1::CREDENTIAL_INVALID);
  expect_end(all_by_key, error::v1::CREDENTIAL_INVALID);
  expect_end(by_staff, error::v1::CREDENTIAL_INVALID);
  EXPECT_FALSE(by_ann.has_ended());

  // An e-mail token that expires, and staff who are so no longer.
  Client late = system->As(GuestKey(ann, event, "late@example.org"));
  const std::string boss_key = system->MakeMember("boss@example.com");
  token::v1::UpdateUserRequest role;
  role.mutable_user()->set_name(UserOf("boss@example.com"));
  role.mutable_user()->set_role(token::v1::User::STAFF);
  ASSERT_THAT(staff.Call(&Tokens::UpdateUser, role), Succeeds());
  Client boss = system->As(boss_key);
  EventStream by_late(late, &Events::WatchEvent, From(event.name()));
  LogStream by_boss(boss, &Events::WatchEvents, FromNow());
  ASSERT_TRUE(by_late.AwaitProgress() && by_boss.AwaitProgress());
  database->Sql(
      "update parley.email_tokens set expire_time = now() where user_id = (select user_id from parley.users "
      "where address_key = 'late@example.org')");
  revoked = absl::Now();
  expect_end(by_late, error::v1::TOKEN_EXPIRED);
  role.mutable_user()->set_role(token::v1::User::MEMBER);
  ASSERT_THAT(staff.Call(&Tokens::UpdateUser, role), Succeeds());
  revoked = absl::Now();
  EXPECT_THAT(by_boss.AwaitEnd(), Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED));
  EXPECT_LT(absl::Now() - revoked, absl::Seconds(1));
}

TEST_F(WatchTest, ACallerHasSoManyWatchesAndNoMore) {
  Client many = Member("many@example.com");
  std::vector<std::unique_ptr<LogStream>> streams;
  for (int i = 0; i < 5; ++i) {
    streams.push_back(std::make_unique<LogStream>(many, &Events::WatchEvents, FromNow()));
    ASSERT_TRUE(streams.back()->AwaitProgress());
  }
  LogStream beyond(many, &Events::WatchEvents, FromNow());
  const absl::Status refused = beyond.AwaitEnd();
  EXPECT_THAT(refused, Fails(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED));
  EXPECT_TRUE(test::DetailOf<google::rpc::RetryInfo>(refused).has_value());
  // One that ends makes room for another.
  streams.pop_back();
  EXPECT_TRUE(Eventually([&] {
    LogStream next(many, &Events::WatchEvents, FromNow());
    Eventually([&] { return next.has_ended() || !next.messages().empty(); });
    return !next.messages().empty();
  }));
}

// A reader that takes only what it is told to.
template <class Response>
class Reader {
 public:
  template <class Request>
  Reader(Client& client,
         std::unique_ptr<grpc::ClientReader<Response>> (Events::*method)(grpc::ClientContext*, const Request&),
         const Request& request)
      : stub_(client.channel()) {
    for (const auto& [key, value] : client.sent()) context_.AddMetadata(key, value);
    reader_ = (stub_.*method)(&context_, request);
  }
  ~Reader() { context_.TryCancel(); }

  // All that is left, and the end.
  std::pair<std::vector<Response>, absl::Status> ReadAll() {
    std::vector<Response> messages;
    for (Response message; reader_->Read(&message);) messages.push_back(message);
    return {messages, test::StatusOf(reader_->Finish())};
  }

 private:
  Events stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;
};

// The line by which the event service tells that a watch is over.
bool HasEnded(System& of, const std::string& code) {
  for (const auto& line : of.Log("event")) {
    if (line.value("method", "") == "/parley.event.v1.EventService/WatchEvent" && line.value("code", "") == code) {
      return true;
    }
  }
  return false;
}

// Much for each entry: titles and addresses are as long as they may be.
Event MakeLargeEvent(Client& client) {
  std::vector<std::string> parties;
  for (int i = 0; i < 60; ++i) {
    parties.push_back(
        absl::StrCat(std::string(60, 'a'), "@", std::string(60, 'b'), ".", std::string(60, 'c'), i, ".example"));
  }
  return *client.Call(&Events::CreateEvent, Proposal(parties, {SlotIn(1), SlotIn(2)}));
}

TEST_F(WatchTest, AReaderThatTakesNothingIsSentAwayWithACursorAndGoesOnFromItWithoutLoss) {
  Client ann = Ann();
  const Event event = MakeLargeEvent(ann);
  // What is sent and not taken is kept by connections and processes on the way, up to some hundred kilobytes.
  for (int i = 0; i < 400; ++i) ASSERT_THAT(ann.Call(&Events::GetEvent, Named(event.name())), Succeeds());
  Reader<WatchEventResponse> reader(ann, &Events::WatchEvent, From(event.name()));
  ASSERT_TRUE(Eventually([] { return HasEnded(*system, "RESOURCE_EXHAUSTED"); }));
  const auto [messages, end] = reader.ReadAll();
  ASSERT_THAT(end, Fails(absl::StatusCode::kResourceExhausted, error::v1::READER_TOO_SLOW));
  EXPECT_TRUE(test::DetailOf<google::rpc::RetryInfo>(end).has_value());
  int64_t cursor = 0;
  ASSERT_TRUE(absl::SimpleAtoi(InfoOf(end, "cursor"), &cursor));
  ASSERT_FALSE(messages.empty());
  EXPECT_EQ(messages.back().sequence(), cursor);
  ASSERT_LT(cursor, 401);
  EventStream rest(ann, &Events::WatchEvent, From(event.name(), cursor));
  ASSERT_TRUE(rest.AwaitSteps(401 - cursor));
  EXPECT_EQ(rest.steps().front().sequence(), cursor + 1);
  EXPECT_EQ(rest.steps().back().sequence(), 401);
}

TEST_F(WatchTest, AReaderThatFallsTooFarBehindIsSentAwayToo) {
  // Its own system: a reader that is slow, but not so slow that it is sent away for that.
  System own({database->service_url(), {{"event", {{"slow-reader", "1h"}}}, {"gateway", {{"burst", "100000"}}}}});
  own.Start();
  Client ann = own.As(own.MakeMember("far.behind@example.com"));
  const Event event = MakeLargeEvent(ann);
  Reader<WatchEventResponse> reader(ann, &Events::WatchEvent, From(event.name(), 1));
  EventStream quick(ann, &Events::WatchEvent, From(event.name(), 1));
  ASSERT_TRUE(quick.AwaitProgress());
  int64_t written = 1;
  while (!HasEnded(own, "RESOURCE_EXHAUSTED") && written < 5000) {
    for (int i = 0; i < 50; ++i, ++written) {
      event::v1::UpdateEventRequest update;
      update.mutable_event()->set_name(event.name());
      update.mutable_event()->set_etag(absl::StrCat(written));
      update.mutable_event()->set_title(absl::StrCat("title ", written));
      ASSERT_THAT(ann.Call(&Events::UpdateEvent, update), Succeeds());
    }
  }
  const auto [messages, end] = reader.ReadAll();
  ASSERT_THAT(end, Fails(absl::StatusCode::kResourceExhausted, error::v1::READER_TOO_SLOW));
  int64_t cursor = 0;
  ASSERT_TRUE(absl::SimpleAtoi(InfoOf(end, "cursor"), &cursor));
  EXPECT_EQ(messages.back().sequence(), cursor);
  // Others are told all.
  EXPECT_TRUE(quick.AwaitSteps(written - 1));
  EXPECT_FALSE(quick.has_ended());
}

TEST_F(WatchTest, AServiceThatStopsEndsItsWatchesWithTheCursorAndTheGatewayEndsThemToo) {
  System own({database->service_url()});
  own.Start();
  Client ann = own.As(own.MakeMember("drained@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event event, ann.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1)})));
  EventStream of_event(ann, &Events::WatchEvent, From(event.name()));
  LogStream of_all(ann, &Events::WatchEvents, FromNow());
  ASSERT_TRUE(of_event.AwaitProgress() && of_all.AwaitProgress());
  const absl::Time stopped = absl::Now();
  EXPECT_EQ(own.Stop("event"), 0);
  EXPECT_LT(absl::Now() - stopped, absl::Seconds(5)) << "watches hold nothing up";
  const absl::Status end_of_event = of_event.AwaitEnd(), end_of_all = of_all.AwaitEnd();
  EXPECT_THAT(end_of_event, IsUnavailable());
  EXPECT_EQ(InfoOf(end_of_event, "cursor"), "1");
  EXPECT_THAT(end_of_all, IsUnavailable());
  EXPECT_EQ(InfoOf(end_of_all, "cursor"), of_all.messages().back().cursor());
  own.Start("event");
  ASSERT_TRUE(Eventually([&] { return ann.Call(&Events::GetEvent, Named(event.name())).ok(); }));
  LogStream resumed(ann, &Events::WatchEvents, FromCursor(InfoOf(end_of_all, "cursor")));
  ASSERT_TRUE(resumed.AwaitSteps(1));
  EXPECT_EQ(own.Stop("gateway"), 0);
  EXPECT_THAT(resumed.AwaitEnd(), IsUnavailable());
}

TEST_F(WatchTest, WhileNobodyKnowsWhetherCallersStillMayNothingIsSentAndThenAllIs) {
  System own({database->service_url()});
  own.Start();
  Client ann = own.As(own.MakeMember("paused@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event event, ann.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1)})));
  EventStream stream(ann, &Events::WatchEvent, From(event.name()));
  ASSERT_TRUE(stream.AwaitProgress());
  own.Kill("token");
  // Another process writes, since nobody can call this one.
  size_t written = 1;
  EXPECT_TRUE(Eventually([&] {
    EXPECT_THAT(Staff().Call(&Events::GetEvent, Named(event.name())), Succeeds());
    ++written;
    return !Eventually([&] { return stream.steps().size() == written; }, absl::Seconds(1));
  }));
  own.Start("token");
  EXPECT_TRUE(stream.AwaitSteps(written));
  EXPECT_FALSE(stream.has_ended());
}

TEST_F(WatchTest, WhatAnotherProcessWritesIsToldWithinASecond) {
  System other({database->service_url()});
  other.Start();
  Client ann = Ann();
  Client staff = other.As(other.MakeMember("elsewhere@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event event, staff.Call(&Events::CreateEvent, Proposal({"ann@example.com"}, {SlotIn(1)})));
  EventStream of_event(ann, &Events::WatchEvent, From(event.name()));
  LogStream of_all(ann, &Events::WatchEvents, FromNow());
  ASSERT_TRUE(of_event.AwaitProgress() && of_all.AwaitProgress());
  ASSERT_TRUE(of_event.AwaitSteps(1));
  for (size_t i = 2; i <= 5; ++i) {
    ASSERT_THAT(staff.Call(&Events::GetEvent, Named(event.name())), Succeeds());
    const absl::Time written = absl::Now();
    ASSERT_TRUE(of_event.AwaitSteps(i));
    EXPECT_LT(absl::Now() - written, absl::Seconds(1));
    ASSERT_TRUE(Eventually([&] {
      const auto steps = of_all.steps();
      return !steps.empty() && steps.back().log_entry().sequence() == static_cast<int64_t>(i);
    }));
    EXPECT_LT(absl::Now() - written, absl::Seconds(1));
  }
}

TEST_F(WatchTest, AClientThatHasVanishedIsNoticed) {
  System own({database->service_url(), {{"gateway", {{"keepalive", "500ms"}}}}});
  own.Start();
  const std::string key = own.MakeMember("vanished@example.com");
  Client ann = own.As(key);
  ASSERT_OK_AND_ASSIGN(const Event event, ann.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1)})));
  test::TemporaryFolder folder;
  test::Process grpcurl(
      {test::Given("PARLEY_TEST_GRPCURL"), "-plaintext", "-expand-headers", "-H", "authorization: Bearer ${PARLEY_KEY}",
       "-d", "{\"name\": \"" + event.name() + "\"}", own.address("gateway"), "parley.event.v1.EventService/WatchEvent"},
      {{"PARLEY_KEY", key}}, folder.path() + "/out", folder.path() + "/err");
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(test::Content(folder.path() + "/out"), "logEntry"); }));
  // Its connection stands, and nobody answers.
  grpcurl.Signal(SIGSTOP);
  EXPECT_TRUE(Eventually([&] { return HasEnded(own, "CANCELLED"); }));
  grpcurl.Signal(SIGKILL);
  grpcurl.Wait();
}

TEST_F(WatchTest, AReaderWhoDoesNotEvenTakeTheEndIsGivenUp) {
  System own(
      {database->service_url(),
       {{"event", {{"slow-reader", "500ms"}, {"views-per-minute", "100000"}}}, {"gateway", {{"slow-reader", "1s"}}}}});
  own.Start();
  Client ann = own.As(own.MakeMember("stuck@example.com"));
  const Event event = MakeLargeEvent(ann);
  for (int i = 0; i < 200; ++i) ASSERT_THAT(ann.Call(&Events::GetEvent, Named(event.name())), Succeeds());
  Reader<WatchEventResponse> reader(ann, &Events::WatchEvent, From(event.name()));
  // Else the gateway would keep what it cannot get rid of.
  EXPECT_TRUE(Eventually([&] {
    for (const auto& line : own.Log("gateway")) {
      if (line.value("method", "") == "/parley.event.v1.EventService/WatchEvent") return true;
    }
    return false;
  }));
}

TEST_F(WatchTest, WhereTheTokenServiceHangsAWatchIsUnavailableWithItsCursor) {
  System own({database->service_url()});
  own.Start();
  Client ann = own.As(own.MakeMember("hung@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event event, ann.Call(&Events::CreateEvent, Proposal({}, {SlotIn(1)})));
  EventStream stream(ann, &Events::WatchEvent, From(event.name()));
  ASSERT_TRUE(stream.AwaitProgress());
  // The token service hangs: rights cannot be looked at any more.
  own.process("token").Signal(SIGSTOP);
  const absl::Status end = stream.AwaitEnd();
  own.process("token").Signal(SIGCONT);
  EXPECT_THAT(end, IsUnavailable());
  EXPECT_EQ(InfoOf(end, "cursor"), "1");
}

TEST_F(WatchTest, ThereAreSoManyWatchesInAllAndOneThatHasNotBegunHasNoCursor) {
  System own({database->service_url(), {{"event", {{"max-watches", "2"}}}}});
  own.Start();
  Client ann = own.As(own.MakeMember("one@example.com")), bob = own.As(own.MakeMember("two@example.com"));
  LogStream first(ann, &Events::WatchEvents, FromNow()), second(bob, &Events::WatchEvents, FromNow());
  ASSERT_TRUE(first.AwaitProgress() && second.AwaitProgress());
  LogStream third(bob, &Events::WatchEvents, FromNow());
  const absl::Status refused = third.AwaitEnd();
  EXPECT_THAT(refused, Fails(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED));
  EXPECT_EQ(InfoOf(refused, "cursor"), "");
}

TEST_F(WatchTest, WhileManyWriteAndManyBeginToWatchEachIsToldAllOnceAndInOrder) {
  Client staff = Staff();
  std::vector<Event> events;
  std::vector<Client> writers;
  for (int i = 0; i < 4; ++i) {
    writers.push_back(Member(absl::StrCat("writer", i, "@example.com")));
    ASSERT_OK_AND_ASSIGN(events.emplace_back(), writers[i].Call(&Events::CreateEvent, Proposal({}, {SlotIn(1)})));
  }
  constexpr int64_t kViews = 300;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([client = writers[i], name = events[i].name()]() mutable {
      for (int64_t j = 0; j < kViews; ++j) EXPECT_THAT(client.Call(&Events::GetEvent, Named(name)), Succeeds());
    });
  }
  std::vector<std::unique_ptr<EventStream>> of_event;
  std::vector<std::unique_ptr<LogStream>> of_all;
  // Each writer has room for five; they begin while others write.
  for (int i = 0; i < 16; ++i) {
    Client& client = writers[i % 4];
    of_event.push_back(std::make_unique<EventStream>(client, &Events::WatchEvent, From(events[i % 4].name())));
    ASSERT_TRUE(of_event.back()->AwaitSteps(1));
    if (i >= 4) continue;
    of_all.push_back(std::make_unique<LogStream>(client, &Events::WatchEvents, FromCursor("0-")));
    ASSERT_TRUE(of_all.back()->AwaitSteps(1));
  }
  for (auto& thread : threads) thread.join();
  std::vector<int64_t> expected(kViews + 1);
  std::iota(expected.begin(), expected.end(), 1);
  for (const auto& stream : of_event) {
    ASSERT_TRUE(stream->AwaitSteps(expected.size()));
    EXPECT_EQ(SequencesOf(stream->steps()), expected);
  }
  for (const auto& stream : of_all) {
    ASSERT_TRUE(stream->AwaitSteps(expected.size()));
    std::vector<int64_t> sequences;
    for (const auto& step : stream->steps()) sequences.push_back(step.log_entry().sequence());
    EXPECT_EQ(sequences, expected);
  }
}

}  // namespace
}  // namespace parley::e2e
