// A database with users and events, for the tests of the notification service.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/data/events.h"
#include "common/data/log_entries.h"
#include "common/data/users.h"
#include "common/rpc/call.h"
#include "google/rpc/error_details.pb.h"
#include "services/notification/claim.h"
#include "services/notification/notification_server.h"
#include "services/notification/notifications.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::notification {

inline const absl::Time kNine = absl::FromUnixSeconds(2000000000);
inline const std::vector<Slot> kSlots{{kNine, absl::Hours(1)}, {kNine + absl::Hours(2), absl::Hours(1)}};

// The detail of this type; an empty one where the status has none.
template <class Detail>
Detail DetailOf(const absl::Status& status) {
  Detail detail;
  const auto payload = status.GetPayload("type.googleapis.com/" + Detail::descriptor()->full_name());
  if (payload) {
    EXPECT_TRUE(detail.ParseFromString(std::string(*payload)));
  }
  return detail;
}

inline std::set<std::string> BadFields(const absl::Status& status) {
  const auto bad = DetailOf<google::rpc::BadRequest>(status);
  std::set<std::string> fields;
  for (const auto& violation : bad.field_violations()) fields.insert(violation.field());
  return fields;
}

inline std::string InfoOf(const absl::Status& status, const std::string& key) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  return info.metadata().contains(key) ? info.metadata().at(key) : "";
}

// Runs it on so many threads at once, each with its number.
template <class Fn>
void AtOnce(int threads, Fn fn) {
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) running.emplace_back([&fn, i] { fn(i); });
  for (std::thread& thread : running) thread.join();
}

class World : public ::testing::Test {
 protected:
  template <class Fn>
  auto Do(Fn fn) {
    auto result = data::Transact(pool_, absl::Now() + absl::Minutes(1), fn);
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
  data::Event MakeEvent(const std::vector<std::string>& others = {"Bob@example.com", "cid@example.com"}) {
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

  // With its entry, as the event service does.
  absl::Status Delete(const data::Event& event) {
    return Do([&](data::Transaction& tx) -> absl::Status {
      PARLEY_ASSIGN_OR_RETURN(auto locked, data::Events(tx).Lock({event.id}));
      data::Event& deleted = locked.front();
      deleted.delete_time = tx.now();
      ++deleted.revision;
      ++deleted.last_sequence;
      data::LogEntry entry =
          data::EntryOf(deleted, event::v1::LogEntry::UPDATE, {staff_.id, std::nullopt, std::nullopt}, tx.now());
      entry.data.set_deleted(true);
      entry.with_event = true;
      PARLEY_ASSIGN_OR_RETURN(const auto hashes, data::LogEntries(tx).Append({entry}));
      deleted.last_hash = hashes.front();
      return data::Events(tx).Save({deleted});
    });
  }

  void SetState(const data::User& user, const std::string& state) {
    database_.Sql(
        absl::StrCat("update parley.users set state = '", state, "' where user_id = '", user.id.ToString(), "'"));
  }

  void SetState(const v1::Notification& notification, const std::string& state) {
    database_.Sql(absl::StrCat("update parley.notifications set state = '", state, "' where notification_id = '",
                               IdOf(notification).ToString(), "'"));
  }

  static Uuid IdOf(const v1::Notification& notification) {
    return *Uuid::Parse(notification.name().substr(notification.name().rfind('/') + 1));
  }

  // All that has happened happened so much earlier.
  void TimePasses(const std::string& interval) {
    database_.Sql(
        absl::StrCat("update parley.notifications set create_time = create_time - interval '", interval, "'"));
  }

  // The rows of all tables, as text.
  std::map<std::string, std::string> Tables() {
    std::map<std::string, std::string> tables;
    const std::string names = database_.Sql(
        "select string_agg(table_name::text, ' ') from information_schema.tables where table_schema = 'parley'");
    for (const auto name : absl::StrSplit(names, ' ')) {
      tables[std::string(name)] = database_.Sql(
          absl::StrCat("select coalesce(string_agg(t::text, ';' order by t::text), '') from parley.", name, " t"));
    }
    return tables;
  }

  // The call fails so, and changes nothing.
  template <class CallFn>
  void ExpectRefused(absl::StatusCode code, Reason reason, CallFn call) {
    const auto before = Tables();
    const int woken = woken_;
    EXPECT_THAT(call(), test::Fails(code, reason));
    EXPECT_EQ(Tables(), before);
    EXPECT_EQ(woken_, woken);
  }

  std::vector<data::LogEntry> Log(const data::Event& event) {
    return Do([&](data::Transaction& tx) { return data::LogEntries(tx).List(event.id, 0, 1000); }).value();
  }

  std::vector<Notification> NotificationsOf(const data::Event& event) {
    return Do([&](data::Transaction& tx) {
             return Notifications(tx).List({event.id, std::nullopt, std::nullopt}, std::nullopt, 1000);
           })
        .value()
        .notifications;
  }

  // Begins attempts, as the dispatcher does.
  Claimed ClaimDue(int limit = 100) {
    return Do([&](data::Transaction& tx) { return Claim(tx, claim_settings_, suppression_key_, limit); }).value();
  }
  // The one that is due longest: begun, or ended without an attempt; nothing where none is due.
  std::optional<Notification> ClaimOne() {
    const Claimed claimed = ClaimDue(1);
    if (!claimed.deliveries.empty()) return claimed.deliveries.front().notification;
    if (!claimed.ended.empty()) return claimed.ended.front();
    return std::nullopt;
  }
  // Whether it was recorded.
  bool Record(const Notification& claimed, Attempt::Outcome outcome, Notification::State state,
              const std::string& detail = "", absl::Duration pause = absl::ZeroDuration()) {
    const auto recorded = Do([&](data::Transaction& tx) {
      return Deliveries(tx).Record({{claimed.id, claimed.attempts_begun, outcome, detail, state, pause}});
    });
    return *recorded == std::vector<Uuid>{claimed.id};
  }
  // The leases of all are up, and what waits is due.
  void MakeDue() {
    database_.Sql(
        "update parley.notifications set next_attempt_time = now(), "
        "lease_end_time = case when lease_end_time is not null then now() end");
  }

  static rpc::Call CallOf(const data::User& user) {
    rpc::Call call;
    call.principal.kind = rpc::Principal::Kind::kUser;
    call.principal.user_id = user.id;
    call.principal.active = true;
    call.principal.credential_id = Uuid::TimeOrdered();
    call.call_id = "test";
    call.start = absl::Now();
    call.deadline = absl::Now() + absl::Minutes(1);
    return call;
  }

  static rpc::Call AsNobody() {
    rpc::Call call = CallOf(data::User());
    call.principal = {};
    return call;
  }

  static rpc::Call AsService() {
    rpc::Call call = AsNobody();
    call.principal = rpc::Principal::Service("event");
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

  // Runs a handler.
  template <class Request, class Response>
  absl::StatusOr<Response> Run(absl::Status (*handler)(const Context&, const rpc::Call&, const Request&, Response&),
                               const rpc::Call& call, const Request& request) {
    const Context context{pool_, signer_, suppression_key_, limits_, [this] { ++woken_; }};
    Response response;
    PARLEY_RETURN_IF_ERROR(handler(context, call, request, response));
    return response;
  }
  absl::StatusOr<v1::NotifyPartiesResponse> Notify(const rpc::Call& call, const v1::NotifyPartiesRequest& request) {
    return Run(&notification::NotifyParties, call, request);
  }
  // The one notification of a call that must succeed.
  v1::Notification NotifyOne(const data::User& sender, const data::Event& event, const std::string& recipient) {
    const auto told = Notify(CallOf(sender), Request(event, {recipient}));
    EXPECT_THAT(told, test::Succeeds());
    return told.ok() && told->notifications_size() == 1 ? told->notifications(0) : v1::Notification();
  }

  test::TestDatabase database_;
  data::Pool pool_{database_.service_url(), 16};
  const rpc::Signer signer_ = *rpc::Signer::Make("0123456789abcdef0123456789abcdef");
  const SuppressionKey suppression_key_ = *SuppressionKey::Make("fedcba9876543210fedcba9876543210");
  ClaimSettings claim_settings_;
  Limits limits_;
  std::atomic<int> woken_ = 0;  // the dispatcher
  const data::User ann_ = MakeUser("ann@example.com");
  const data::User bob_ = MakeUser("bob@example.com");
  const data::User eve_ = MakeUser("eve@example.com");
  const data::User staff_ = MakeUser("staff@example.com");
};

}  // namespace parley::notification
