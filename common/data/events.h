// Events as they stand: the row, its parties with the spelling that was given to this event, its slots and who has
// confirmed them. The event row's lock is what orders everything that happens to an event.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/address/address.h"
#include "common/data/transaction.h"
#include "common/slot/slot.h"
#include "parley/event/v1/event.pb.h"

namespace parley {

// Of resources, in errors.
inline constexpr char kEventType[] = "parley.event.v1.Event";

}  // namespace parley

namespace parley::data {

struct Party {
  Uuid user_id;
  Address address;        // spelled as for this event; empty from the person's erasure on
  std::string salt = {};  // of the log's commitment to it; read by LogEntries alone
  bool erased = false;    // its log says so: it counts no longer
};

struct Event {
  using State = event::v1::Event::State;
  using Quorum = event::v1::AgreementPolicy::Quorum;
  using ConfirmedBy = event::v1::AgreementPolicy::ConfirmedBy;

  Uuid id;
  std::string title;
  std::vector<Party> parties;  // in the order of creation; never changes
  std::vector<Slot> slots;     // a set: ordered, without repeats
  State state = event::v1::Event::OPEN;
  int64_t revision = 1;
  Quorum quorum = event::v1::AgreementPolicy::ALL;
  ConfirmedBy confirmed_by = event::v1::AgreementPolicy::UPDATE;
  std::string time_zone = "UTC";
  Uuid initiator_id;
  Address initiator;
  std::vector<Uuid> confirmed_ids;
  absl::Time create_time;
  absl::Time update_time;
  std::optional<absl::Time> delete_time;
  int64_t last_sequence = 0;
  std::string last_hash = std::string(32, '\0');  // of that entry; before the first, what that one is chained to
  std::optional<Uuid> predecessor_id;             // the event from which it was made
  std::optional<Uuid> successor_id;               // the one that was made from it

  // `events/...`
  std::string name() const { return "events/" + id.ToString(); }
  // Stands for the revision.
  std::string etag() const { return std::to_string(revision); }
  // Null where the user is not a party, or is one that was erased.
  const Party* FindParty(const Uuid& user_id) const;
  bool HasConfirmed(const Uuid& user_id) const;
};

// Which events a list shows, deleted ones never, and in which order.
struct EventQuery {
  enum class Order { kCreateTime, kUpdateTime, kFirstSlot };  // an event without slots counts as the latest

  std::optional<Uuid> party;        // of this party
  std::optional<Uuid> other_party;  // and of this one
  std::optional<Event::State> state;
  std::optional<std::pair<absl::Time, absl::Time>> overlapping;  // with a slot that does: [first, second)
  Order order = Order::kCreateTime;
  bool descending = true;
};

// A place in such a list.
struct EventCursor {
  absl::Time key;  // by which the list is ordered; nothing for kCreateTime, where the id says it
  Uuid id;
};

struct EventPage {
  struct Listed {
    EventCursor cursor;
    Event event;
  };
  std::vector<Listed> events;
  std::optional<EventCursor> next;  // what was looked at last, where there is more to look at
};

// Within one transaction, which must outlive it.
class Events {
 public:
  explicit Events(Transaction& tx) : tx_(tx) {}

  // Those that exist, deleted ones among them, in the order of their ids.
  absl::StatusOr<std::vector<Event>> Find(absl::Span<const Uuid> ids);
  // As Find, and locks their rows until the transaction ends, in the order of their ids. Where there are several it is
  // not waited for long from then on: UNAVAILABLE, which IsLockTimeout knows.
  absl::StatusOr<std::vector<Event>> Lock(absl::Span<const Uuid> ids);
  // Those of the events whose logs have gone beyond the sequences, one for each of them.
  absl::StatusOr<std::vector<Uuid>> GoneBeyond(absl::Span<const Uuid> ids, absl::Span<const int64_t> sequences);
  // At most `limit` events from behind `after` on. However few the query lets through, no more than a thousand are
  // looked at, so that every page costs the same: it may end early, even empty, with a `next`.
  absl::StatusOr<EventPage> List(const EventQuery& query, const std::optional<EventCursor>& after, int limit);
  // New events, without successors, whose first entries are appended: with `last_sequence` and `last_hash` of these.
  absl::Status Insert(absl::Span<const Event> events);
  // Writes all that can change, `last_sequence` and `last_hash` as well. The rows must be locked.
  absl::Status Save(absl::Span<const Event> events);

 private:
  // `queries`: the last one is that of the events' rows.
  absl::StatusOr<std::vector<Event>> Read(std::vector<Query> queries, absl::Span<const Uuid> ids);
  Transaction& tx_;
};

}  // namespace parley::data
