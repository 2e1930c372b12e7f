// A database with users and events, for the tests of the notification service.
#pragma once

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "common/data/events.h"
#include "common/data/log_entries.h"
#include "common/data/users.h"
#include "common/rpc/call.h"
#include "services/notification/notification_handlers.h"
#include "services/notification/notifications.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::notification {

inline const absl::Time kNine = absl::FromUnixSeconds(2000000000);
inline const std::vector<Slot> kSlots{{kNine, absl::Hours(1)}, {kNine + absl::Hours(2), absl::Hours(1)}};

class World : public ::testing::Test {
 protected:
  template <class Fn>
  auto Do(Fn fn) {
    auto result = data::Transact(pool_, absl::Now() + absl::Seconds(10), fn);
    EXPECT_THAT(result, test::Succeeds());
    return result;
  }

  data::User MakeUser(const std::string& address) {
    return Do([&](data::Transaction& tx) -> absl::StatusOr<data::User> {
             PARLEY_ASSIGN_OR_RETURN(auto users, data::Users(tx).FindOrCreate({*ParseAddress(address)}));
             return users.front();
           })
        .value();
  }

  // An event of ann@example.com, Bob@example.com (spelled so for this event) and cid@example.com.
  data::Event MakeEvent(std::vector<std::string> others = {"Bob@example.com", "cid@example.com"}) {
    data::Event event;
    event.id = Uuid::TimeOrdered();
    event.title = "Picnic";
    event.slots = kSlots;
    event.revision = 3;
    event.last_sequence = 7;
    event.create_time = event.update_time = kNine;
    event.initiator_id = ann_.id;
    event.parties.push_back({ann_.id, ann_.address});
    for (const std::string& other : others) event.parties.push_back({MakeUser(other).id, *ParseAddress(other)});
    Do([&](data::Transaction& tx) { return data::Events(tx).Insert({event}); }).IgnoreError();
    return event;
  }

  void Delete(data::Event event) {
    event.delete_time = kNine;
    Do([&](data::Transaction& tx) { return data::Events(tx).Save(event); }).IgnoreError();
  }

  std::vector<data::LogEntry> Log(const data::Event& event) {
    return Do([&](data::Transaction& tx) { return data::LogEntries(tx).List(event.id, 0, 1000); }).value();
  }

  std::vector<Notification> NotificationsOf(const data::Event& event) {
    return Do([&](data::Transaction& tx) { return Notifications(tx).List(event.id, std::nullopt, 1000); }).value();
  }

  static rpc::Call CallOf(const data::User& user) {
    rpc::Call call;
    call.principal.kind = rpc::Principal::Kind::kUser;
    call.principal.user_id = user.id;
    call.principal.active = true;
    call.principal.credential_id = Uuid::TimeOrdered();
    call.call_id = "test";
    call.start = absl::Now();
    call.deadline = absl::Now() + absl::Seconds(10);
    return call;
  }

  static rpc::Call AsStaff(const data::User& user) {
    rpc::Call call = CallOf(user);
    call.principal.staff = true;
    return call;
  }

  static rpc::Call AsGuest(const data::User& user, const Uuid& event_id) {
    rpc::Call call = CallOf(user);
    call.principal.active = false;
    call.principal.event_id = event_id;
    return call;
  }

  // Based on the present slots.
  static v1::NotifyPartiesRequest Request(const data::Event& event, const std::vector<std::string>& recipients) {
    v1::NotifyPartiesRequest request;
    request.set_event(event.name());
    for (const std::string& recipient : recipients) request.add_recipients(recipient);
    ToProto(event.slots, request.mutable_slots()->mutable_slots());
    return request;
  }

  absl::StatusOr<v1::NotifyPartiesResponse> Notify(const rpc::Call& call, const v1::NotifyPartiesRequest& request) {
    v1::NotifyPartiesResponse response;
    PARLEY_RETURN_IF_ERROR(handlers_.NotifyParties(call, request, response));
    return response;
  }

  test::TestDatabase database_;
  data::Pool pool_{database_.service_url(), 16};
  const rpc::Signer signer_ = *rpc::Signer::Make("0123456789abcdef0123456789abcdef");
  int notified_ = 0;
  NotificationHandlers handlers_{pool_, signer_, 30, [this] { ++notified_; }};
  const data::User ann_ = MakeUser("ann@example.com");
  const data::User bob_ = MakeUser("bob@example.com");
  const data::User eve_ = MakeUser("eve@example.com");
  const data::User staff_ = MakeUser("staff@example.com");
};

}  // namespace parley::notification
