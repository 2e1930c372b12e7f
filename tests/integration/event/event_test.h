// What the tests of the event service share: a database, the handlers on it as the worker threads call them, and
// callers of each kind.
#pragma once

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/access/access.h"
#include "common/data/users.h"
#include "google/rpc/error_details.pb.h"
#include "services/event/event_server.h"
#include "services/event/replay.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::event {

using test::Fails;
using test::Succeeds;

inline const auto kHidden = Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED);
inline const auto kAbsent = Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND);
inline const auto kNoCredential = Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING);
inline const auto kInvalid = Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS);
inline const auto kStaleEtag = Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH);
inline const auto kClosedEvent = Fails(absl::StatusCode::kFailedPrecondition, error::v1::EVENT_CLOSED);
inline const auto kReopenedEvent = Fails(absl::StatusCode::kFailedPrecondition, error::v1::EVENT_REOPENED);
inline const auto kReusedId = Fails(absl::StatusCode::kInvalidArgument, error::v1::REQUEST_ID_REUSED);
inline const auto kBadCursor = Fails(absl::StatusCode::kInvalidArgument, error::v1::CURSOR_INVALID);

MATCHER_P(EqualsProto, expected, "") {
  google::protobuf::util::MessageDifferencer differencer;
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  const bool equal = differencer.Compare(expected, arg);
  *result_listener << differences;
  return equal;
}

// What google.rpc.ErrorInfo says under this key; empty where it says nothing.
inline std::string MetadataOf(const absl::Status& status, const std::string& key) {
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  if (!payload || !info.ParseFromString(std::string(*payload)) || !info.metadata().contains(key)) return "";
  return info.metadata().at(key);
}

inline Uuid IdOf(const std::string& event_name) { return *Uuid::Parse(event_name.substr(7)); }
inline Uuid IdOf(const v1::Event& event) { return IdOf(event.name()); }

// Runs `call(0)` to `call(count - 1)` at once, each on a thread of its own, and waits for them.
inline void AtOnce(size_t count, const std::function<void(size_t)>& call) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back(call, i);
  for (std::thread& thread : threads) thread.join();
}

// Of a batch that nobody waits for.
class NoTurn final : public data::Turn {
 public:
  void Pass() override {}
};

class EventTest : public testing::Test {
 protected:
  EventTest()
      : signer(*rpc::Signer::Make(std::string(32, 's'))),
        pool(database.service_url(), 16),
        context{pool, signer, views, Limits(), [](const Uuid&) {}} {
    ann = UserOf("ann@example.org", token::v1::User::MEMBER);
    bob = UserOf("bob@example.org", token::v1::User::MEMBER);
    eve = UserOf("eve@example.org", token::v1::User::MEMBER);
    staff = UserOf("staff@example.org", token::v1::User::STAFF);
  }

  rpc::Call UserOf(const std::string& address, token::v1::User::Role role) {
    const auto user = data::Transact(pool, absl::Now() + absl::Seconds(30), [&](data::Transaction& tx) {
      return data::Users(tx).Register(*ParseAddress(address), role);
    });
    EXPECT_THAT(user, Succeeds());
    rpc::Call call;
    call.principal.kind = rpc::Principal::Kind::kUser;
    call.principal.user_id = user->id;
    call.principal.staff = role == token::v1::User::STAFF;
    call.principal.active = true;
    call.deadline = absl::Now() + absl::Seconds(60);
    return call;
  }

  // A caller as whoever was named by this address, and never registered: somebody acts for him, or he has a token.
  rpc::Call Named(const std::string& address) {
    rpc::Call call;
    call.principal.kind = rpc::Principal::Kind::kUser;
    call.principal.user_id = *Uuid::Parse(
        database.Sql(absl::StrCat("select user_id from parley.users where address_key = '", address, "'")));
    call.deadline = ann.deadline;
    return call;
  }

  // `user` with an e-mail token of `event` in place of a key.
  rpc::Call GuestOf(const rpc::Call& user, const v1::Event& event) {
    rpc::Call call = user;
    call.principal.event_id = IdOf(event);
    call.principal.credential_id = Uuid::TimeOrdered();
    return call;
  }

  // `actor`, who is staff, acting for `user`.
  static rpc::Call ActingFor(const rpc::Call& user, const rpc::Call& actor) {
    rpc::Call call = user;
    call.principal.acting_id = actor.principal.user_id;
    return call;
  }

  static void AddSlot(v1::Event& event, int hours) {
    auto* slot = event.add_slots();
    slot->mutable_start_time()->set_seconds(1900000000 + hours * 3600);
    slot->mutable_duration()->set_seconds(3600);
  }

  static v1::CreateEventRequest Proposal(int slots = 3) {
    v1::CreateEventRequest request;
    request.mutable_event()->add_parties()->set_address("ann@example.org");
    request.mutable_event()->add_parties()->set_address("Bob@Example.org");
    request.mutable_event()->add_parties()->set_address("guest@example.net");
    for (int i = 0; i < slots; ++i) AddSlot(*request.mutable_event(), i);
    return request;
  }

  // One call, in a batch of its own.
  template <class Request, class Response>
  absl::Status Alone(absl::Status (*handler)(const Context&, absl::Span<rpc::BatchItem<Request, Response>* const>,
                                             data::Turn&),
                     const rpc::Call& call, const Request& request, Response& response) {
    rpc::BatchItem<Request, Response> item{call, request, response, absl::OkStatus()};
    const std::vector<rpc::BatchItem<Request, Response>*> items{&item};
    PARLEY_RETURN_IF_ERROR(handler(context, items, turn));
    return item.status;
  }

  absl::StatusOr<v1::Event> Create(const rpc::Call& call, const v1::CreateEventRequest& request) {
    v1::Event event;
    PARLEY_RETURN_IF_ERROR(Alone(CreateEvents, call, request, event));
    return event;
  }

  absl::StatusOr<v1::Event> Get(const rpc::Call& call, const std::string& name, int64_t revision = 0) {
    v1::GetEventRequest request;
    request.set_name(name);
    request.set_revision(revision);
    v1::Event event;
    PARLEY_RETURN_IF_ERROR(Alone(GetEvents, call, request, event));
    return event;
  }

  absl::StatusOr<v1::Event> Narrow(const rpc::Call& call, const v1::Event& event, int slots) {
    v1::UpdateEventRequest request;
    request.mutable_event()->set_name(event.name());
    request.mutable_event()->set_etag(event.etag());
    request.mutable_update_mask()->add_paths("slots");
    for (int i = 0; i < slots; ++i) *request.mutable_event()->add_slots() = event.slots(i);
    v1::Event updated;
    PARLEY_RETURN_IF_ERROR(Alone(UpdateEvents, call, request, updated));
    return updated;
  }

  // Of a request with a name and an etag, to be filled further.
  static v1::UpdateEventRequest UpdateOf(const v1::Event& event) {
    v1::UpdateEventRequest request;
    request.mutable_event()->set_name(event.name());
    request.mutable_event()->set_etag(event.etag());
    return request;
  }

  absl::StatusOr<v1::Event> Update(const rpc::Call& call, const v1::UpdateEventRequest& request) {
    v1::Event updated;
    PARLEY_RETURN_IF_ERROR(Alone(UpdateEvents, call, request, updated));
    return updated;
  }

  absl::StatusOr<v1::Event> Retitle(const rpc::Call& call, const v1::Event& event, const std::string& title) {
    auto request = UpdateOf(event);
    request.mutable_event()->set_title(title);
    return Update(call, request);
  }

  // Sets the slots to the one that begins so many hours after AddSlot's first.
  absl::StatusOr<v1::Event> Move(const rpc::Call& call, const v1::Event& event, int hours) {
    auto request = UpdateOf(event);
    AddSlot(*request.mutable_event(), hours);
    return Update(call, request);
  }

  absl::StatusOr<v1::Event> Reopen(const rpc::Call& call, const v1::ReopenEventRequest& request) {
    v1::Event successor;
    PARLEY_RETURN_IF_ERROR(ReopenEvent(context, call, request, successor));
    return successor;
  }

  absl::StatusOr<v1::Event> Reopen(const rpc::Call& call, const v1::Event& event) {
    v1::ReopenEventRequest request;
    request.set_name(event.name());
    request.set_etag(event.etag());
    return Reopen(call, request);
  }

  absl::StatusOr<v1::Event> Confirm(const rpc::Call& call, const v1::Event& event) {
    v1::ConfirmEventRequest request;
    request.set_name(event.name());
    request.set_etag(event.etag());
    v1::Event confirmed;
    PARLEY_RETURN_IF_ERROR(Alone(ConfirmEvents, call, request, confirmed));
    return confirmed;
  }

  absl::Status Delete(const rpc::Call& call, const v1::Event& event) {
    v1::DeleteEventRequest request;
    request.set_name(event.name());
    request.set_etag(event.etag());
    google::protobuf::Empty nothing;
    return Alone(DeleteEvents, call, request, nothing);
  }

  absl::StatusOr<std::vector<v1::LogEntry>> Log(const rpc::Call& call, const std::string& name, int page_size = 0) {
    v1::ListLogEntriesRequest request;
    request.set_parent(name);
    request.set_page_size(page_size);
    std::vector<v1::LogEntry> entries;
    do {
      v1::ListLogEntriesResponse response;
      PARLEY_RETURN_IF_ERROR(Alone(event::ListLogEntries, call, request, response));
      entries.insert(entries.end(), response.log_entries().begin(), response.log_entries().end());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return entries;
  }

  // Of every row of every table that the service could write.
  std::string Digest() const {
    return database.Sql(R"(
      select md5(string_agg(line, E'\n' order by line)) from (
        select 'users ' || r from parley.users r
        union all select 'events ' || r from parley.events r
        union all select 'event_parties ' || r from parley.event_parties r
        union all select 'log_entries ' || r from parley.log_entries r
        union all select 'request_records ' || r from parley.request_records r) as rows (line))");
  }

  int Count(const std::string& table) const { return std::stoi(database.Sql("select count(*) from parley." + table)); }

  // The log as it is stored, which must be a possible one, and lead to the event that is stored (A6).
  std::vector<data::LogEntry> Replayed(const std::string& name) {
    std::vector<data::LogEntry> entries;
    std::vector<data::Event> stored;
    const auto read = data::Transact(pool, absl::InfiniteFuture(), [&](data::Transaction& tx) -> absl::Status {
      PARLEY_ASSIGN_OR_RETURN(stored, data::Events(tx).Find({IdOf(name)}));
      PARLEY_ASSIGN_OR_RETURN(entries, data::LogEntries(tx).List(IdOf(name), 0, 100000));
      return absl::OkStatus();
    });
    EXPECT_THAT(read, Succeeds());
    if (stored.size() != 1) {
      ADD_FAILURE() << name << " is not there";
      return entries;
    }
    data::Event replayed;
    for (const data::LogEntry& entry : entries) EXPECT_THAT(Apply(entry, replayed), Succeeds());
    EXPECT_THAT(Differences(replayed, stored.front()), testing::IsEmpty());
    return entries;
  }

  test::TestDatabase database;
  rpc::Signer signer;
  data::Pool pool;
  rpc::Limiter views{absl::Milliseconds(1), 1000000};
  Context context;
  NoTurn turn;
  rpc::Call ann, bob, eve, staff;
};

}  // namespace parley::event
