#include "services/notification/webhooks/webhook_follower.h"

#include <algorithm>
#include <map>

#include "absl/time/clock.h"
#include "common/data/log_tree.h"
#include "common/data/users.h"
#include "common/log/log.h"
#include "common/status/status.h"
#include "services/notification/webhooks/webhook_deliveries.h"
#include "services/notification/webhooks/webhooks.h"

namespace parley::notification {
namespace {

constexpr absl::Duration kLookPause = absl::Milliseconds(250);
constexpr absl::Duration kFailedPause = absl::Seconds(1);
// Until staff replays it from a cursor that there is.
constexpr absl::Duration kLostPause = absl::Minutes(1);
constexpr absl::Duration kStepTimeout = absl::Seconds(2);
constexpr int kEntriesAtOnce = 200;

// The addresses of those whose events alone some webhooks are told of, as they are compared; of erased ones none.
absl::StatusOr<std::map<Uuid, std::string>> AddressesOf(data::Transaction& tx, const std::vector<Webhook>& webhooks) {
  std::vector<Uuid> ids;
  for (const Webhook& webhook : webhooks) {
    if (webhook.initiator_id) ids.push_back(*webhook.initiator_id);
  }
  std::map<Uuid, std::string> addresses;
  if (ids.empty()) return addresses;
  PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByIds(ids));
  for (const data::User& user : users) addresses[user.id] = user.address.Key();
  return addresses;
}

bool IsOf(const WatchedEntry& entry, const std::optional<Uuid>& initiator_id,
          const std::map<Uuid, std::string>& addresses) {
  if (!initiator_id) return true;
  const auto found = addresses.find(*initiator_id);
  const auto initiator = ParseAddress(entry.event.initiator());
  return found != addresses.end() && initiator.ok() && initiator->Key() == found->second;
}

// Moves the webhooks on behind what was read, with the deliveries that follow from it. Answers with how many.
absl::StatusOr<int64_t> Advance(data::Transaction& tx, const std::vector<Webhook>& webhooks, const std::string& from,
                                const LogPart& part) {
  std::vector<Uuid> ids;
  for (const Webhook& webhook : webhooks) ids.push_back(webhook.id);
  PARLEY_ASSIGN_OR_RETURN(const auto advanced,
                          Webhooks(tx).Advance(ids, from, part.cursor, part.more ? absl::ZeroDuration() : kLookPause));
  PARLEY_ASSIGN_OR_RETURN(const auto addresses, AddressesOf(tx, webhooks));
  std::vector<WebhookDelivery> deliveries;
  for (const WatchedEntry& entry : part.entries) {
    const std::vector<Kind> kinds = KindsOf(entry.log_entry);
    std::optional<int64_t> leaf_index;
    for (const Webhook& webhook : webhooks) {
      const bool wanted = std::ranges::find_first_of(webhook.kinds, kinds) != webhook.kinds.end();
      if (!wanted || std::ranges::find(advanced, webhook.id) == advanced.end()) continue;
      if (!IsOf(entry, webhook.initiator_id, addresses)) continue;
      const int64_t sequence = entry.log_entry.sequence();
      if (!leaf_index) {
        PARLEY_ASSIGN_OR_RETURN(leaf_index, data::LogTree(tx).IndexOf(entry.event_id, sequence));
        if (!leaf_index) return Internal("the event service tells of an entry that is not in the tree");
      }
      WebhookDelivery& delivery = deliveries.emplace_back();
      delivery.webhook_id = webhook.id;
      delivery.event_id = entry.event_id;
      delivery.sequence = sequence;
      delivery.leaf_index = *leaf_index;
      delivery.kinds = kinds;
      delivery.cursor = entry.cursor;
    }
  }
  if (!deliveries.empty()) PARLEY_RETURN_IF_ERROR(WebhookDeliveries(tx).Insert(deliveries));
  return static_cast<int64_t>(deliveries.size());
}

}  // namespace

absl::StatusOr<bool> WebhookFollower::Step() {
  const auto deadline = [] { return absl::Now() + kStepTimeout; };
  PARLEY_ASSIGN_OR_RETURN(const auto due, data::Transact(pool_, deadline(), [](data::Transaction& tx) {
                            return Webhooks(tx).TakeDue(kLookPause);
                          }));
  if (due.empty()) return false;
  const std::string from = due.front().cursor;
  const std::string call_id = Uuid::TimeOrdered().ToString();
  const auto part = events_.Read(from, kEntriesAtOnce, call_id, deadline());
  if (!part.ok()) {
    const bool lost = ReasonOf(part.status()) == error::v1::CURSOR_INVALID ||
                      part.status().code() == absl::StatusCode::kInvalidArgument;
    std::vector<Uuid> ids;
    for (const Webhook& webhook : due) ids.push_back(webhook.id);
    data::Transact(pool_, deadline(), [&](data::Transaction& tx) {
      return Webhooks(tx).Postpone(ids, from, lost ? kLostPause : kFailedPause);
    }).IgnoreError();
    return part.status();
  }
  // There is nothing new, and they are due again soon as it is.
  if (part->cursor == from) return true;
  PARLEY_ASSIGN_OR_RETURN(const int64_t made, data::Transact(pool_, deadline(), [&](data::Transaction& tx) {
                            return Advance(tx, due, from, *part);
                          }));
  if (made > 0) wake_();
  return true;
}

absl::Duration WebhookFollower::Run() {
  if (stopping_) return kFailedPause;
  const auto looked = Step();
  if (looked.ok()) return *looked ? absl::ZeroDuration() : kLookPause;
  Log(LogLevel::kWarning, "cannot look through the log for webhooks",
      {{"error", std::string(looked.status().message())}});
  return kFailedPause;
}

}  // namespace parley::notification
