#include "services/notification/claim.h"

#include <algorithm>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/data/users.h"
#include "common/status/status.h"

namespace parley::notification {
namespace {

// Where it is mails that are under way that make up the day's number, it is known soon which of them are accepted.
constexpr absl::Duration kLimitPause = absl::Minutes(1);

// What the decisions go by.
struct World {
  absl::flat_hash_map<Uuid, data::Event> events;
  absl::flat_hash_map<Uuid, data::User> users;  // recipients, and senders who are no parties
  std::set<std::string> suppressed;             // keyed hashes of addresses
  std::map<Uuid, DailyMails> daily_mails;       // by recipient, with those that are about to begin
};

absl::StatusOr<World> ReadWorld(data::Transaction& tx, const ClaimSettings& settings, const SuppressionKey& key,
                                const std::vector<Notification>& due) {
  World world;
  std::vector<Uuid> event_ids, user_ids, recipient_ids;
  for (const Notification& notification : due) {
    event_ids.push_back(notification.event_id);
    recipient_ids.push_back(notification.recipient_id);
    user_ids.push_back(notification.recipient_id);
    user_ids.push_back(notification.sender_id);
  }
  PARLEY_ASSIGN_OR_RETURN(auto events, data::Events(tx).Find(event_ids));
  for (data::Event& event : events) world.events[event.id] = std::move(event);
  PARLEY_ASSIGN_OR_RETURN(auto users, data::Users(tx).FindByIds(user_ids));
  std::vector<std::string> address_macs;
  for (data::User& user : users) {
    address_macs.push_back(key.Mac(user.address));
    world.users[user.id] = std::move(user);
  }
  PARLEY_ASSIGN_OR_RETURN(world.suppressed, Suppressions(tx).Among(address_macs));
  PARLEY_ASSIGN_OR_RETURN(world.daily_mails, Deliveries(tx).DailyMailsOf(recipient_ids, settings.max_daily_mails));
  return world;
}

// The state in which a notification ends without a further attempt; PENDING where it is to be sent.
Notification::State EndOf(const Notification& notification, const data::Event& event, const World& world,
                          const ClaimSettings& settings, const SuppressionKey& key) {
  const bool cancels = notification.cause == v1::Notification::CANCEL_CALENDAR_ENTRY;
  if (event.delete_time && !cancels) return v1::Notification::CANCELLED;
  const absl::Time too_late = notification.pending_since + settings.retry_for;
  // The lease is one that was lost.
  const absl::Time due =
      std::max(notification.next_attempt_time, notification.lease_end_time.value_or(absl::InfinitePast()));
  if (notification.attempts_counted() > 0 && due > too_late) return v1::Notification::FAILED;
  const auto recipient = world.users.find(notification.recipient_id);
  if (recipient == world.users.end()) return v1::Notification::CANCELLED;  // erased
  if (recipient->second.state == token::v1::User::DEACTIVATED) return v1::Notification::SUPPRESSED;
  if (world.suppressed.contains(key.Mac(recipient->second.address))) return v1::Notification::SUPPRESSED;
  return v1::Notification::PENDING;
}

// When the recipient may be sent the next mail; nothing where that is now, and it is counted.
std::optional<absl::Time> LimitedUntil(World& world, const Notification& notification, int max_daily_mails,
                                       absl::Time now) {
  DailyMails& mails = world.daily_mails[notification.recipient_id];
  if (mails.count >= max_daily_mails) return mails.under_way ? now + kLimitPause : mails.oldest + absl::Hours(24);
  ++mails.count;
  mails.under_way = true;
  return std::nullopt;
}

Delivery DeliveryOf(Notification notification, const data::Event& event, const World& world) {
  Delivery delivery{std::move(notification), event, {}, std::nullopt};
  const Uuid& sender_id = delivery.notification.sender_id;
  if (const data::Party* sender = event.FindParty(sender_id)) {
    delivery.sender = sender->address;
  } else if (const auto found = world.users.find(sender_id); found != world.users.end()) {
    delivery.sender = found->second.address;
  }
  return delivery;
}

// N7: what each mail does to its recipient's calendar.
absl::Status ChooseCalendars(data::Transaction& tx, std::vector<Delivery>& deliveries) {
  // Those that take an entry back where there is one.
  std::vector<Delivery*> undoing;
  std::vector<std::pair<Uuid, Uuid>> events_and_recipients;
  for (Delivery& delivery : deliveries) {
    const auto method = CalendarMethodOf(delivery.event);
    const Notification& notification = delivery.notification;
    if (notification.cause == v1::Notification::CANCEL_CALENDAR_ENTRY) {
      delivery.calendar = CalendarEntry::Method::kCancel;
    } else if (method != CalendarEntry::Method::kCancel) {
      delivery.calendar = method;
    } else if (!IsEnded(delivery.event) && delivery.event.revision > 1) {
      // One that stands as it was made was never in a calendar.
      undoing.push_back(&delivery);
      events_and_recipients.emplace_back(notification.event_id, notification.recipient_id);
    }
  }
  PARLEY_ASSIGN_OR_RETURN(const auto have, Deliveries(tx).HaveCalendarEntry(events_and_recipients));
  for (size_t i = 0; i < undoing.size(); ++i) {
    if (have[i]) undoing[i]->calendar = CalendarEntry::Method::kCancel;
  }
  return absl::OkStatus();
}

absl::Status Begin(data::Transaction& tx, std::vector<Delivery>& deliveries, absl::Duration lease) {
  std::vector<Beginning> beginnings;
  for (Delivery& delivery : deliveries) {
    ++delivery.notification.attempts_begun;
    beginnings.push_back(
        {delivery.notification.id, delivery.calendar, delivery.calendar ? CalendarSequenceOf(delivery.event) : 0});
  }
  return Deliveries(tx).Begin(beginnings, lease);
}

}  // namespace

absl::StatusOr<Claimed> Claim(data::Transaction& tx, const ClaimSettings& settings,
                              const SuppressionKey& suppression_key, int limit) {
  Deliveries deliveries(tx);
  PARLEY_ASSIGN_OR_RETURN(auto due, deliveries.LockDue(limit));
  Claimed claimed;
  claimed.due = static_cast<int>(due.size());
  if (due.empty()) return claimed;
  PARLEY_ASSIGN_OR_RETURN(World world, ReadWorld(tx, settings, suppression_key, due));
  std::map<Notification::State, std::vector<Uuid>> ended;
  std::vector<std::pair<Uuid, absl::Time>> postponed;
  for (Notification& notification : due) {
    const data::Event& event = world.events[notification.event_id];
    const Notification::State end = EndOf(notification, event, world, settings, suppression_key);
    if (end != v1::Notification::PENDING) {
      notification.state = end;
      ended[end].push_back(notification.id);
      claimed.ended.push_back(std::move(notification));
    } else if (const auto until = LimitedUntil(world, notification, settings.max_daily_mails, tx.now())) {
      postponed.emplace_back(notification.id, *until);
    } else {
      claimed.deliveries.push_back(DeliveryOf(std::move(notification), event, world));
    }
  }
  for (const auto& [state, ids] : ended) PARLEY_RETURN_IF_ERROR(deliveries.End(ids, state));
  if (!postponed.empty()) PARLEY_RETURN_IF_ERROR(deliveries.Postpone(postponed));
  PARLEY_RETURN_IF_ERROR(ChooseCalendars(tx, claimed.deliveries));
  if (!claimed.deliveries.empty()) PARLEY_RETURN_IF_ERROR(Begin(tx, claimed.deliveries, settings.lease));
  return claimed;
}

}  // namespace parley::notification
