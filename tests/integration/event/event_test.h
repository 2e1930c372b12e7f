// What the tests of the event service share: a database, the handlers on it as the worker threads call them, and
// callers of each kind.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/access/access.h"
#include "common/data/users.h"
#include "services/event/event_server.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::event {

using test::Fails;
using test::Succeeds;

inline const auto kHidden = Fails(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED);
inline const auto kAbsent = Fails(absl::StatusCode::kNotFound, error::v1::NOT_FOUND);
inline const auto kNoCredential = Fails(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING);

class EventTest : public testing::Test {
 protected:
  EventTest()
      : signer(*rpc::Signer::Make(std::string(32, 's'))),
        pool(database.service_url(), 8),
        context{pool, signer, views, Limits()} {
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

  // `user` with an e-mail token of `event` in place of a key.
  rpc::Call GuestOf(const rpc::Call& user, const v1::Event& event) {
    rpc::Call call = user;
    call.principal.event_id = *Uuid::Parse(event.name().substr(7));
    call.principal.credential_id = Uuid::TimeOrdered();
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

  absl::StatusOr<v1::Event> Create(const rpc::Call& call, const v1::CreateEventRequest& request) {
    v1::Event event;
    CreateItem item{call, request, event, absl::OkStatus()};
    CreateItem* items[] = {&item};
    PARLEY_RETURN_IF_ERROR(CreateEvents(context, items));
    PARLEY_RETURN_IF_ERROR(item.status);
    return event;
  }

  absl::StatusOr<v1::Event> Get(const rpc::Call& call, const std::string& name) {
    v1::GetEventRequest request;
    request.set_name(name);
    v1::Event event;
    GetItem item{call, request, event, absl::OkStatus()};
    GetItem* items[] = {&item};
    PARLEY_RETURN_IF_ERROR(GetEvents(context, items));
    PARLEY_RETURN_IF_ERROR(item.status);
    return event;
  }

  absl::StatusOr<v1::Event> Narrow(const rpc::Call& call, const v1::Event& event, int slots) {
    v1::UpdateEventRequest request;
    request.mutable_event()->set_name(event.name());
    request.mutable_event()->set_etag(event.etag());
    request.mutable_update_mask()->add_paths("slots");
    for (int i = 0; i < slots; ++i) *request.mutable_event()->add_slots() = event.slots(i);
    v1::Event updated;
    PARLEY_RETURN_IF_ERROR(UpdateEvent(context, call, request, updated));
    return updated;
  }

  absl::StatusOr<v1::Event> Confirm(const rpc::Call& call, const v1::Event& event) {
    v1::ConfirmEventRequest request;
    request.set_name(event.name());
    request.set_etag(event.etag());
    v1::Event confirmed;
    PARLEY_RETURN_IF_ERROR(ConfirmEvent(context, call, request, confirmed));
    return confirmed;
  }

  absl::Status Delete(const rpc::Call& call, const v1::Event& event) {
    v1::DeleteEventRequest request;
    request.set_name(event.name());
    request.set_etag(event.etag());
    google::protobuf::Empty nothing;
    return DeleteEvent(context, call, request, nothing);
  }

  absl::StatusOr<std::vector<v1::LogEntry>> Log(const rpc::Call& call, const std::string& name, int page_size = 0) {
    v1::ListLogEntriesRequest request;
    request.set_parent(name);
    request.set_page_size(page_size);
    std::vector<v1::LogEntry> entries;
    do {
      v1::ListLogEntriesResponse response;
      PARLEY_RETURN_IF_ERROR(ListLogEntries(context, call, request, response));
      entries.insert(entries.end(), response.log_entries().begin(), response.log_entries().end());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return entries;
  }

  test::TestDatabase database;
  rpc::Signer signer;
  data::Pool pool;
  rpc::Limiter views{absl::Milliseconds(1), 1000000};
  Context context;
  rpc::Call ann, bob, eve, staff;
};

}  // namespace parley::event
