// L2: each entry compared whole, for every call that writes one, by callers of every kind.
#include <google/protobuf/text_format.h>

#include "absl/strings/str_replace.h"
#include "common/time/proto_time.h"
#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

class EntriesTest : public EventTest {
 protected:
  // Compares the event's newest entry, which must be the only new one, with what the test says of it. `after` is the
  // event as it stands after the call.
  void ExpectNext(const v1::Event& after, const std::string& text) {
    ASSERT_OK_AND_ASSIGN(const auto entries, Log(staff, after.name()));
    const auto sequence = static_cast<int64_t>(entries.size());
    ASSERT_EQ(sequence, ++sequences_[after.name()]) << "L1: one entry for each call";
    v1::LogEntry expected;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
        absl::StrReplaceAll(text, {{"EVENT", after.name()}, {"SUCCESSOR", successor_}, {"PREDECESSOR", predecessor_}}),
        &expected));
    expected.set_name(absl::StrCat(after.name(), "/logEntries/", sequence));
    expected.set_sequence(sequence);
    expected.set_revision(after.revision());
    *expected.mutable_slots() = after.slots();
    *expected.mutable_create_time() = entries.back().create_time();
    EXPECT_EQ(entries.back().hash().size(), 32u);
    expected.set_hash(entries.back().hash());
    EXPECT_THAT(entries.back(), EqualsProto(expected));
    const auto when = FromProto(entries.back().create_time());
    ASSERT_TRUE(when);
    EXPECT_LE(absl::AbsDuration(absl::Now() - *when), absl::Minutes(5));
    if (entries.size() > 1) {
      EXPECT_GE(*when, *FromProto(entries[entries.size() - 2].create_time()));
    }
    Replayed(after.name());
  }

  std::map<std::string, int64_t> sequences_;  // by event: how many entries it has by now
  std::string successor_, predecessor_;
};

TEST_F(EntriesTest, L1_L2_L4_EachEntrySaysAllThatTheCallDid) {
  auto request = Proposal(2);
  request.mutable_event()->set_title("Lunch");
  request.mutable_event()->set_time_zone("Europe/Berlin");
  request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(v1::AgreementPolicy::VIEW);
  ASSERT_OK_AND_ASSIGN(v1::Event event, Create(ActingFor(ann, staff), request));
  EXPECT_THAT(event.create_time(), EqualsProto(Log(ann, event.name())->front().create_time()));
  ExpectNext(event, R"(
    occurrence: UPDATE effector: "ann@example.org"
    data {
      acted_by: "staff@example.org"
      opened {
        title: "Lunch" parties: ["ann@example.org", "Bob@example.org", "guest@example.net"]
        agreement_policy { quorum: ALL confirmed_by: VIEW } time_zone: "Europe/Berlin"
      }
      affirmed: true state: OPEN confirmed: "ann@example.org"
    })");

  ASSERT_THAT(Get(staff, event.name()), Succeeds());
  ExpectNext(event, R"(occurrence: VIEW effector: "staff@example.org" data {})");

  ASSERT_THAT(Get(bob, event.name()), Succeeds());
  ExpectNext(event, R"(
    occurrence: VIEW effector: "Bob@example.org"
    data { affirmed: true state: OPEN confirmed: ["ann@example.org", "Bob@example.org"] })");

  const rpc::Call guest = GuestOf(Named("guest@example.net"), event);
  auto update = UpdateOf(event);
  update.mutable_event()->set_title("Dinner");
  update.mutable_event()->set_time_zone("UTC");
  AddSlot(*update.mutable_event(), 9);
  ASSERT_OK_AND_ASSIGN(event, Update(guest, update));
  EXPECT_THAT(event.update_time(), EqualsProto(Log(ann, event.name())->back().create_time()));
  ExpectNext(event, absl::StrReplaceAll(R"(
    occurrence: UPDATE effector: "guest@example.net"
    data {
      email_token: "EVENT/emailTokens/TOKEN" title: "Dinner" time_zone: "UTC" slots_changed: true affirmed: true
      state: OPEN confirmed: "guest@example.net"
    })",
                                        {{"TOKEN", guest.principal.credential_id.ToString()}}));

  ASSERT_OK_AND_ASSIGN(event, Retitle(bob, event, "Supper"));
  ExpectNext(event, R"(
    occurrence: UPDATE effector: "Bob@example.org" data { title: "Supper" state: OPEN confirmed: "guest@example.net" })");

  ASSERT_OK_AND_ASSIGN(event, Move(staff, event, 11));
  ExpectNext(event, R"(
    occurrence: UPDATE effector: "staff@example.org" data { slots_changed: true state: OPEN })");

  ASSERT_OK_AND_ASSIGN(event, Confirm(bob, event));
  ExpectNext(event, R"(
    occurrence: UPDATE effector: "Bob@example.org" data { affirmed: true state: OPEN confirmed: "Bob@example.org" })");

  ASSERT_OK_AND_ASSIGN(event, Confirm(ann, event));
  ExpectNext(event, R"(
    occurrence: UPDATE effector: "ann@example.org"
    data { affirmed: true state: OPEN confirmed: ["Bob@example.org", "ann@example.org"] })");

  ASSERT_OK_AND_ASSIGN(event, Get(guest, event.name()));
  ASSERT_EQ(event.state(), v1::Event::AGREED);
  ExpectNext(event, absl::StrReplaceAll(R"(
    occurrence: VIEW effector: "guest@example.net"
    data {
      email_token: "EVENT/emailTokens/TOKEN" affirmed: true closed: true state: AGREED
      confirmed: ["Bob@example.org", "ann@example.org", "guest@example.net"]
    })",
                                        {{"TOKEN", guest.principal.credential_id.ToString()}}));

  ASSERT_OK_AND_ASSIGN(event, Get(bob, event.name()));
  ExpectNext(event, R"(occurrence: VIEW effector: "Bob@example.org" data {})");

  ASSERT_OK_AND_ASSIGN(const v1::Event successor, Reopen(bob, event));
  successor_ = successor.name();
  predecessor_ = event.name();
  ExpectNext(event, R"(
    occurrence: UPDATE effector: "Bob@example.org"
    data {
      state: AGREED confirmed: ["Bob@example.org", "ann@example.org", "guest@example.net"] successor: "SUCCESSOR"
    })");
  ExpectNext(successor, R"(
    occurrence: UPDATE effector: "Bob@example.org"
    data {
      opened {
        title: "Supper" parties: ["ann@example.org", "Bob@example.org", "guest@example.net"]
        agreement_policy { quorum: ALL confirmed_by: VIEW } time_zone: "UTC"
      }
      affirmed: true state: OPEN confirmed: "Bob@example.org" predecessor: "PREDECESSOR"
    })");

  ASSERT_THAT(Delete(staff, event), Succeeds());
  event.set_revision(event.revision() + 1);
  ExpectNext(event, R"(
    occurrence: UPDATE effector: "staff@example.org"
    data {
      state: AGREED confirmed: ["Bob@example.org", "ann@example.org", "guest@example.net"] deleted: true
    })");

  // An open one is closed by its successor; an emptied one by its parties.
  ASSERT_OK_AND_ASSIGN(const v1::Event last, Reopen(staff, successor));
  successor_ = last.name();
  predecessor_ = successor.name();
  v1::Event superseded = successor;
  superseded.set_revision(2);
  ExpectNext(superseded, R"(
    occurrence: UPDATE effector: "staff@example.org"
    data { closed: true state: SUPERSEDED confirmed: "Bob@example.org" successor: "SUCCESSOR" })");
  ExpectNext(last, R"(
    occurrence: UPDATE effector: "staff@example.org"
    data {
      opened {
        title: "Supper" parties: ["ann@example.org", "Bob@example.org", "guest@example.net"]
        agreement_policy { quorum: ALL confirmed_by: VIEW } time_zone: "UTC"
      }
      state: OPEN predecessor: "PREDECESSOR"
    })");
}

TEST_F(EntriesTest, A3_L2_AnEmptiedEventIsAbandoned) {
  auto request = Proposal(1);
  request.mutable_event()->clear_parties();
  ASSERT_OK_AND_ASSIGN(v1::Event event, Create(ann, request));
  sequences_[event.name()] = 1;
  ASSERT_OK_AND_ASSIGN(event, Narrow(ann, event, 0));
  EXPECT_EQ(event.state(), v1::Event::ABANDONED);
  EXPECT_EQ(event.revision(), 2) << "E8: one for the call, whatever it changes";
  ExpectNext(event, R"(
    occurrence: UPDATE effector: "ann@example.org"
    data { slots_changed: true affirmed: true closed: true state: ABANDONED confirmed: "ann@example.org" })");
}

// What log_test.cc does not try: with the error that each has.
TEST_F(EntriesTest, L1_MoreFailuresThatWriteNothing) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  rpc::Call service = ann, late = ann;
  service.principal = rpc::Principal::Service("token");
  late.deadline = absl::Now() - absl::Seconds(1);
  const rpc::Call guest = GuestOf(bob, event);
  auto expect = [&](const auto& matcher, const std::function<absl::Status()>& call) {
    const std::string before = Digest();
    EXPECT_THAT(call(), matcher);
    EXPECT_EQ(Digest(), before);
  };
  auto reopen = [&](const std::function<void(v1::ReopenEventRequest&)>& change) {
    return [this, &event, change] {
      v1::ReopenEventRequest request;
      request.set_name(event.name());
      request.set_etag("1");
      request.add_parties()->set_address("never-made@example.com");
      change(request);
      return Reopen(ann, request).status();
    };
  };
  auto list = [this](const rpc::Call& call, const std::function<void(v1::ListEventsRequest&)>& change) {
    return [this, call, change] {
      v1::ListEventsRequest request;
      change(request);
      v1::ListEventsResponse response;
      return ListEvents(context, call, request, response);
    };
  };
  auto log = [this, &event](const rpc::Call& call, const std::function<void(v1::ListLogEntriesRequest&)>& change) {
    return [this, &event, call, change] {
      v1::ListLogEntriesRequest request;
      request.set_parent(event.name());
      change(request);
      v1::ListLogEntriesResponse response;
      return Alone(event::ListLogEntries, call, request, response);
    };
  };
  const auto as_it_is = [](auto&) {};

  expect(kInvalid, reopen([](auto& r) {
           for (int i = 0; i < 100; ++i) r.add_parties()->set_address(absl::StrCat("p", i, "@example.com"));
         }));
  expect(kInvalid, reopen([](auto& r) {  // with ann, who calls, there are 101
           for (int i = 1; i < 100; ++i) r.add_parties()->set_address(absl::StrCat("p", i, "@example.com"));
         }));
  expect(kInvalid, reopen([](auto& r) {
           v1::Event many;
           for (int i = 0; i < 31; ++i) AddSlot(many, i);
           *r.mutable_slots()->mutable_slots() = many.slots();
         }));
  expect(kInvalid, reopen([](auto& r) {
           auto* slot = r.mutable_slots()->add_slots();
           slot->mutable_start_time()->set_seconds(1000);
           slot->mutable_duration()->set_seconds(60);
         }));
  expect(kInvalid, reopen([](auto& r) { r.set_request_id("17"); }));
  expect(kInvalid, [&] {
    auto update = UpdateOf(event);
    for (int i = 0; i < 31; ++i) AddSlot(*update.mutable_event(), i);
    return Update(ann, update).status();
  });
  expect(kHidden, list(guest, as_it_is));
  expect(kNoCredential, list(rpc::Call(), as_it_is));
  expect(kInvalid, list(ann, [](auto& r) { r.set_page_size(-1); }));
  expect(kInvalid, list(ann, [](auto& r) { r.set_order_by("title"); }));
  expect(kBadCursor, list(ann, [](auto& r) { r.set_page_token("x"); }));
  expect(kNoCredential, log(rpc::Call(), as_it_is));
  expect(kHidden, log(eve, as_it_is));
  expect(kInvalid, log(ann, [](auto& r) { r.set_page_size(-1); }));
  expect(kInvalid, log(ann, [](auto& r) { r.set_parent("events/17"); }));
  expect(kBadCursor, log(ann, [](auto& r) { r.set_page_token("x"); }));

  const auto too_late =
      testing::ResultOf([](const absl::Status& status) { return status.code(); }, absl::StatusCode::kDeadlineExceeded);
  for (const rpc::Call& caller : {service, late}) {
    const auto attempts = {
        std::function<absl::Status()>([&] { return Create(caller, Proposal()).status(); }),
        std::function<absl::Status()>([&] { return Get(caller, event.name()).status(); }),
        std::function<absl::Status()>([&] { return Get(caller, event.name(), 1).status(); }),
        std::function<absl::Status()>([&] { return Retitle(caller, event, "other").status(); }),
        std::function<absl::Status()>([&] { return Confirm(caller, event).status(); }),
        std::function<absl::Status()>([&] { return Reopen(caller, event).status(); }),
        std::function<absl::Status()>(list(caller, as_it_is)),
        std::function<absl::Status()>(log(caller, as_it_is)),
    };
    for (const auto& attempt : attempts) {
      caller.principal.kind == rpc::Principal::Kind::kService ? expect(kHidden, attempt) : expect(too_late, attempt);
    }
  }
  EXPECT_EQ(database.Sql("select count(*) from parley.users where address_key like '%@example.com'"), "0");
}

}  // namespace
}  // namespace parley::event
