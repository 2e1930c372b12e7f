#include "services/notification/webhooks/webhook_follower.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/data/events.h"
#include "common/data/log_entries.h"
#include "common/data/log_tree.h"
#include "common/data/users.h"
#include "common/log/log.h"
#include "common/status/status.h"
#include "services/notification/webhooks/kinds.h"
#include "services/notification/webhooks/webhook_deliveries.h"
#include "services/notification/webhooks/webhooks.h"

namespace parley::notification {
namespace {

using data::LogCursor;
using data::PlacedEntry;
using event::v1::LogEntry;

constexpr absl::Duration kLookPause = absl::Milliseconds(250);
constexpr absl::Duration kFailedPause = absl::Seconds(1);
// Until staff replays it from a cursor that there is.
constexpr absl::Duration kLostPause = absl::Minutes(1);
constexpr absl::Duration kStepTimeout = absl::Seconds(2);
// What one transaction looks at, and makes at the most but for those of one entry.
constexpr int kLeavesAtOnce = 1000;
constexpr size_t kDeliveriesAtOnce = 2000;

// A part of the log.
struct Part {
  std::vector<PlacedEntry> entries;  // that may be told
  int64_t end = 0;                   // behind the leaves that were looked at
};

// What follows the position. An entry that cannot be read is stepped over, alone.
absl::StatusOr<Part> ReadPart(data::Transaction& tx, int64_t begin, int64_t leaves, int64_t at_once) {
  // A VIEW confirms, and thereby closes an event, where the event's policy says so.
  const std::vector<LogEntry::Occurrence> occurrences = {LogEntry::UPDATE, LogEntry::VIEW};
  for (int64_t size = std::min(at_once, leaves - begin);; size /= 2) {
    auto entries = data::LogEntries(tx).ListPlaced(begin, begin + size, occurrences, std::nullopt, kLeavesAtOnce);
    if (entries.ok()) return Part{*std::move(entries), begin + size};
    if (!absl::IsDataLoss(entries.status())) return entries.status();
    if (size > 1) continue;
    Log(LogLevel::kError, "webhooks are not told of an entry that cannot be read",
        {{"error", std::string(entries.status().message())}});
    return Part{{}, begin + 1};
  }
}

// Who created an event of these entries, where some webhook has to know it.
absl::StatusOr<std::map<Uuid, Uuid>> InitiatorsOf(data::Transaction& tx, const std::vector<PlacedEntry>& entries) {
  std::set<Uuid> ids;
  for (const PlacedEntry& placed : entries) ids.insert(placed.entry.event_id);
  PARLEY_ASSIGN_OR_RETURN(const auto events, data::Events(tx).Find(std::vector<Uuid>(ids.begin(), ids.end())));
  std::map<Uuid, Uuid> initiators;
  for (const data::Event& event : events) initiators[event.id] = event.initiator_id;
  return initiators;
}

// Of those of one initiator, whether he was erased: they are told nothing more.
absl::StatusOr<std::set<Uuid>> ErasedAmong(data::Transaction& tx, const std::vector<Webhook>& webhooks) {
  std::set<Uuid> ids;
  for (const Webhook& webhook : webhooks) {
    if (webhook.initiator_id) ids.insert(*webhook.initiator_id);
  }
  if (ids.empty()) return ids;
  PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByIds(std::vector<Uuid>(ids.begin(), ids.end())));
  for (const data::User& user : users) ids.erase(user.id);
  return ids;
}

WebhookDelivery DeliveryOf(const Webhook& webhook, const PlacedEntry& placed, const std::vector<Kind>& kinds) {
  WebhookDelivery delivery;
  delivery.webhook_id = webhook.id;
  delivery.event_id = placed.entry.event_id;
  delivery.sequence = placed.entry.sequence;
  delivery.leaf_index = placed.leaf_index;
  delivery.kinds = kinds;
  delivery.cursor = Encode(LogCursor::Behind(placed.leaf_index, placed.entry.hash));
  return delivery;
}

// What the webhooks are to be told of the part, which ends earlier where that is too much for one transaction.
absl::StatusOr<std::vector<WebhookDelivery>> DeliveriesOf(data::Transaction& tx, const std::vector<Webhook>& webhooks,
                                                          Part& part) {
  // Most views change nothing.
  std::erase_if(part.entries, [](const PlacedEntry& placed) { return KindsOf(placed.entry).empty(); });
  std::vector<WebhookDelivery> deliveries;
  if (part.entries.empty()) return deliveries;
  std::map<Uuid, Uuid> initiators;
  if (std::ranges::any_of(webhooks, [](const Webhook& webhook) { return webhook.initiator_id.has_value(); })) {
    PARLEY_ASSIGN_OR_RETURN(initiators, InitiatorsOf(tx, part.entries));
  }
  PARLEY_ASSIGN_OR_RETURN(const auto erased, ErasedAmong(tx, webhooks));
  for (const PlacedEntry& placed : part.entries) {
    const std::vector<Kind> kinds = KindsOf(placed.entry);
    const auto initiator = initiators.find(placed.entry.event_id);
    for (const Webhook& webhook : webhooks) {
      if (std::ranges::find_first_of(webhook.kinds, kinds) == webhook.kinds.end()) continue;
      const bool is_of_all = !webhook.initiator_id;
      if (!is_of_all && (initiator == initiators.end() || initiator->second != *webhook.initiator_id)) continue;
      if (!is_of_all && erased.contains(*webhook.initiator_id)) continue;
      deliveries.push_back(DeliveryOf(webhook, placed, kinds));
    }
    if (deliveries.size() >= kDeliveriesAtOnce) {
      part.end = placed.leaf_index + 1;
      break;
    }
  }
  return deliveries;
}

std::string NamesOf(const std::vector<Webhook>& webhooks) {
  return absl::StrJoin(webhooks, " ", [](std::string* out, const Webhook& webhook) { out->append(webhook.name()); });
}

// What became of those at a cursor.
struct Moved {
  bool moved = false;
  bool lost = false;  // the log is not the one of the cursor
  size_t deliveries = 0;
  std::string names = {};  // of the webhooks that are lost
};

absl::StatusOr<Moved> Move(data::Transaction& tx, const LogCursor& from, int64_t at_once) {
  PARLEY_ASSIGN_OR_RETURN(const auto webhooks, Webhooks(tx).TryLockAt(from));
  if (webhooks.empty()) return Moved();
  const absl::Status checked = CheckLogCursor(tx, from);
  if (absl::IsOutOfRange(checked)) return Moved{.lost = true, .names = NamesOf(webhooks)};
  PARLEY_RETURN_IF_ERROR(checked);
  const data::LogTree tree(tx);
  PARLEY_ASSIGN_OR_RETURN(const int64_t leaves, tree.CountLeaves());
  if (leaves == from.position) return Moved();
  PARLEY_ASSIGN_OR_RETURN(Part part, ReadPart(tx, from.position, leaves, at_once));
  PARLEY_ASSIGN_OR_RETURN(const auto deliveries, DeliveriesOf(tx, webhooks, part));
  if (!deliveries.empty()) PARLEY_RETURN_IF_ERROR(WebhookDeliveries(tx).Insert(deliveries));
  PARLEY_ASSIGN_OR_RETURN(const auto hash, tree.LeafHash(part.end - 1));
  if (!hash) return Internal("the tree of the log has lost a leaf");
  std::vector<Uuid> ids;
  for (const Webhook& webhook : webhooks) ids.push_back(webhook.id);
  PARLEY_RETURN_IF_ERROR(Webhooks(tx).Move(ids, LogCursor::Behind(part.end - 1, *hash)));
  return Moved{.moved = true, .deliveries = deliveries.size()};
}

}  // namespace

bool WebhookFollower::MoveOn(const LogCursor& cursor) {
  const auto moved = data::Transact(pool_, absl::Now() + kStepTimeout,
                                    [&](data::Transaction& tx) { return Move(tx, cursor, leaves_at_once_); });
  // What takes too long is tried again in smaller parts.
  leaves_at_once_ = absl::IsDeadlineExceeded(moved.status()) ? std::max<int64_t>(leaves_at_once_ / 2, 1)
                                                             : std::min<int64_t>(leaves_at_once_ * 2, kLeavesAtOnce);
  if (!moved.ok()) {
    Log(LogLevel::kWarning, "cannot look through the log for webhooks",
        {{"cursor", Encode(cursor)}, {"error", std::string(moved.status().message())}});
    left_until_[Encode(cursor)] = absl::Now() + kFailedPause;
    return false;
  }
  if (moved->lost) {
    Log(LogLevel::kError, "webhooks are at a place of another log: they are told nothing until they are replayed",
        {{"cursor", Encode(cursor)}, {"webhooks", moved->names}});
    left_until_[Encode(cursor)] = absl::Now() + kLostPause;
  }
  if (moved->deliveries > 0) wake_();
  return moved->moved;
}

absl::StatusOr<bool> WebhookFollower::Step() {
  // One that reads alone: where nothing is new nothing is written.
  PARLEY_ASSIGN_OR_RETURN(const auto cursors, data::Transact(
                                                  pool_, absl::Now() + kStepTimeout,
                                                  [](data::Transaction& tx) -> absl::StatusOr<std::vector<LogCursor>> {
                                                    PARLEY_ASSIGN_OR_RETURN(const int64_t leaves,
                                                                            data::LogTree(tx).CountLeaves());
                                                    return Webhooks(tx).ListCursors(leaves);
                                                  },
                                                  data::Isolation::kSnapshot));
  std::erase_if(left_until_, [now = absl::Now()](const auto& left) { return left.second <= now; });
  bool moved = false;
  for (const LogCursor& cursor : cursors) {
    if (stopping_ || left_until_.contains(Encode(cursor))) continue;
    if (MoveOn(cursor)) moved = true;
  }
  return moved;
}

absl::Duration WebhookFollower::Run() {
  if (stopping_) return kFailedPause;
  const auto moved = Step();
  if (moved.ok()) return *moved ? absl::ZeroDuration() : kLookPause;
  Log(LogLevel::kWarning, "cannot look through the log for webhooks",
      {{"error", std::string(moved.status().message())}});
  return kFailedPause;
}

}  // namespace parley::notification
