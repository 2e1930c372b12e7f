// L1: what fails writes nothing at all, for every method and every way in which it can fail; nor do reads.
#include <gmock/gmock.h>

#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

class LogTest : public EventTest {
 protected:
  // Of all rows of all tables that a call could write.
  std::string Digest() const {
    return database.Sql(
        "select md5(string_agg(t, '|' order by t)) from ("
        "select u::text t from parley.users u union all select e::text from parley.events e union all "
        "select p::text from parley.event_parties p union all select l::text from parley.log_entries l union all "
        "select r::text from parley.request_records r) as all_rows");
  }

  void ExpectNothingWritten(const char* what, const std::function<absl::Status()>& call) {
    const std::string before = Digest();
    EXPECT_FALSE(call().ok()) << what;
    EXPECT_EQ(Digest(), before) << what;
  }

  absl::Status Update(const rpc::Call& call, const v1::Event& event, const std::vector<std::string>& mask,
                      const std::string& request_id = "") {
    v1::UpdateEventRequest request;
    *request.mutable_event() = event;
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    request.set_request_id(request_id);
    v1::Event updated;
    return Alone(UpdateEvents, call, request, updated);
  }

  absl::StatusOr<v1::Event> Reopen(const rpc::Call& call, const v1::Event& event, const std::string& party = "") {
    v1::ReopenEventRequest request;
    request.set_name(event.name());
    request.set_etag(event.etag());
    if (!party.empty()) request.add_parties()->set_address(party);
    v1::Event successor;
    PARLEY_RETURN_IF_ERROR(ReopenEvent(context, call, request, successor));
    return successor;
  }

  absl::Status GetRevision(const rpc::Call& call, const std::string& name, int64_t revision) {
    v1::GetEventRequest request;
    request.set_name(name);
    request.set_revision(revision);
    v1::Event event;
    GetItem item{call, request, event, absl::OkStatus()};
    const std::vector<GetItem*> items{&item};
    PARLEY_RETURN_IF_ERROR(GetEvents(context, items, turn));
    return item.status;
  }

  static v1::Event With(v1::Event event, const std::function<void(v1::Event&)>& change) {
    change(event);
    return event;
  }
};

TEST_F(LogTest, L1_WhatFailsWritesNothing) {
  ASSERT_OK_AND_ASSIGN(const v1::Event open, Create(ann, Proposal()));
  ASSERT_OK_AND_ASSIGN(v1::Event agreed, Create(ann, [] {
                         auto request = Proposal(1);
                         request.mutable_event()->clear_parties();
                         return request;
                       }()));
  ASSERT_OK_AND_ASSIGN(agreed, Confirm(ann, agreed));
  ASSERT_EQ(agreed.state(), v1::Event::AGREED);
  ASSERT_OK_AND_ASSIGN(const v1::Event deleted, Create(ann, Proposal()));
  ASSERT_THAT(Delete(staff, deleted), Succeeds());
  ASSERT_OK_AND_ASSIGN(const v1::Event left, Create(ann, Proposal()));
  ASSERT_THAT(Reopen(ann, left), Succeeds());
  const v1::Event missing = With(open, [](auto& event) { event.set_name("events/" + Uuid::TimeOrdered().ToString()); });
  const v1::Event stale = With(open, [](auto& event) { event.set_etag("99"); });
  const v1::Event nameless = With(open, [](auto& event) { event.set_name("events/17"); });
  const v1::Event without_etag = With(open, [](auto& event) { event.clear_etag(); });
  const rpc::Call nobody = [&] {
    rpc::Call call;
    call.deadline = ann.deadline;
    return call;
  }();
  const rpc::Call guest = GuestOf(bob, open);
  const rpc::Call other_guest = GuestOf(bob, missing);
  rpc::Call acted_for = bob;
  acted_for.principal.active = false;
  acted_for.principal.acting_id = staff.principal.user_id;

  auto create = [&](const rpc::Call& call, const std::function<void(v1::CreateEventRequest&)>& change) {
    return [this, call, change] {
      auto request = Proposal();
      request.mutable_event()->add_parties()->set_address("brand.new@example.net");
      change(request);
      return Create(call, request).status();
    };
  };
  const auto as_it_is = [](v1::CreateEventRequest&) {};
  ExpectNothingWritten("create: nobody", create(nobody, as_it_is));
  ExpectNothingWritten("create: guest", create(guest, as_it_is));
  ExpectNothingWritten("create: inactive", create(acted_for, as_it_is));
  ExpectNothingWritten("create: title", create(ann, [](auto& r) { r.mutable_event()->set_title("\n"); }));
  ExpectNothingWritten("create: address", create(ann, [](auto& r) { r.mutable_event()->add_parties(); }));
  ExpectNothingWritten("create: zone", create(ann, [](auto& r) { r.mutable_event()->set_time_zone("Mars"); }));
  ExpectNothingWritten(
      "create: policy", create(ann, [](auto& r) {
        r.mutable_event()->mutable_agreement_policy()->set_quorum(static_cast<v1::AgreementPolicy::Quorum>(17));
      }));
  ExpectNothingWritten("create: ended slot", create(ann, [](auto& r) {
                         r.mutable_event()->mutable_slots(0)->mutable_start_time()->set_seconds(1000);
                       }));
  ExpectNothingWritten("create: too many slots", create(ann, [](auto& r) {
                         for (int i = 0; i < 31; ++i) AddSlot(*r.mutable_event(), i);
                       }));
  ExpectNothingWritten("create: too many parties", create(ann, [](auto& r) {
                         for (int i = 0; i < 101; ++i)
                           r.mutable_event()->add_parties()->set_address(absl::StrCat("p", i, "@example.net"));
                       }));
  ExpectNothingWritten("create: no party", create(staff, [](auto& r) { r.mutable_event()->clear_parties(); }));
  ExpectNothingWritten("create: request_id", create(ann, [](auto& r) { r.set_request_id("17"); }));

  const std::vector<std::pair<const char*, std::pair<rpc::Call, v1::Event>>> unreachable = {
      {"nobody", {nobody, open}},
      {"hidden", {eve, open}},
      {"another event's guest", {other_guest, open}},
      {"missing", {staff, missing}},
      {"hidden missing", {eve, missing}},
      {"deleted", {ann, deleted}},
      {"deleted, hidden", {eve, deleted}},
      {"no name", {ann, nameless}}};
  for (const auto& [what, who] : unreachable) {
    const auto& [call, event] = who;
    ExpectNothingWritten(what, [&, &call = call, &event = event] { return Get(call, event.name()).status(); });
    ExpectNothingWritten(what, [&, &call = call, &event = event] { return Narrow(call, event, 1).status(); });
    ExpectNothingWritten(what, [&, &call = call, &event = event] { return Confirm(call, event).status(); });
    ExpectNothingWritten(what, [&, &call = call, &event = event] { return Reopen(call, event).status(); });
    ExpectNothingWritten(what, [&, &call = call, &event = event] { return Delete(call, event); });
    ExpectNothingWritten(what, [&, &call = call, &event = event] { return GetRevision(call, event.name(), 1); });
  }
  ExpectNothingWritten("get: negative revision", [&] { return GetRevision(ann, open.name(), -1); });
  ExpectNothingWritten("get: not reached", [&] { return GetRevision(ann, open.name(), 9); });
  for (const v1::Event& event : {stale, without_etag}) {
    ExpectNothingWritten("etag: update", [&] { return Narrow(ann, event, 1).status(); });
    ExpectNothingWritten("etag: confirm", [&] { return Confirm(ann, event).status(); });
    ExpectNothingWritten("etag: reopen", [&] { return Reopen(ann, event).status(); });
    ExpectNothingWritten("etag: delete", [&] { return Delete(staff, event); });
  }
  ExpectNothingWritten("update: closed", [&] { return Narrow(ann, agreed, 0).status(); });
  ExpectNothingWritten("confirm: closed", [&] { return Confirm(ann, agreed).status(); });
  ExpectNothingWritten("update: nothing", [&] { return Update(ann, open, {"title", "time_zone"}); });
  ExpectNothingWritten("update: mask", [&] { return Update(ann, open, {"parties"}); });
  ExpectNothingWritten("update: only confirms, staff", [&] { return Update(staff, open, {"slots"}); });
  ExpectNothingWritten("update: ended slot", [&] {
    return Update(ann, With(open, [](auto& e) { e.mutable_slots(0)->mutable_start_time()->set_seconds(1000); }),
                  {"slots"});
  });
  ExpectNothingWritten("confirm: staff", [&] { return Confirm(staff, open).status(); });
  ExpectNothingWritten("delete: member", [&] { return Delete(ann, open); });
  ExpectNothingWritten("delete: guest", [&] { return Delete(guest, open); });
  ExpectNothingWritten("reopen: guest", [&] { return Reopen(guest, open).status(); });
  ExpectNothingWritten("reopen: inactive", [&] { return Reopen(acted_for, open).status(); });
  ExpectNothingWritten("reopen: again", [&] { return Reopen(ann, left).status(); });
  ExpectNothingWritten("reopen: address", [&] { return Reopen(ann, open, "nonsense").status(); });

  const std::string id = Uuid::TimeOrdered().ToString();
  ASSERT_THAT(Update(ann, With(open, [](auto& e) { e.set_title("once"); }), {"title"}, id), Succeeds());
  ExpectNothingWritten("update: request_id reused",
                       [&] { return Update(ann, With(open, [](auto& e) { e.set_title("twice"); }), {"title"}, id); });
}

TEST_F(LogTest, L1_ReadingWritesNothingButAView) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  const std::string before = Digest();
  v1::ListEventsResponse events;
  EXPECT_THAT(ListEvents(context, ann, {}, events), Succeeds());
  EXPECT_THAT(Log(ann, event.name()), Succeeds());
  EXPECT_THAT(GetRevision(ann, event.name(), 1), Succeeds());
  EXPECT_EQ(Digest(), before);
}

}  // namespace
}  // namespace parley::event
