// What the dispatcher reads and writes of notifications: what is due, the attempts to deliver it, and what these did to
// calendars. An attempt is begun with a lease, so that whoever dies with it does not hold the notification for ever;
// the lease and its number tell whether the notification is still one's own (domain rule N6).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/data/purge.h"
#include "services/notification/mail/calendar.h"
#include "services/notification/notifications.h"

namespace parley::notification {

// An attempt that is to begin, and what its mail does to the recipient's calendar.
struct Beginning {
  Uuid notification_id;
  std::optional<CalendarEntry::Method> calendar;
  int64_t calendar_sequence = 0;
};

// How an attempt ended, and what becomes of the notification thereby.
struct Recorded {
  Uuid notification_id;
  int64_t attempt;
  Attempt::Outcome outcome;
  std::string detail;
  Notification::State state;
  absl::Duration pause;  // until the next attempt, where the state is PENDING
  // Whatever the outcome: the mail was certainly not taken, so that it did nothing to a calendar.
  bool sent_nothing = false;
};

// How many mails a recipient was sent, or may have been, in the last 24 hours, counted up to the maximum.
struct DailyMails {
  int64_t count = 0;
  bool under_way = false;  // one of them is being sent at this moment, and may come to nothing
  absl::Time oldest;       // of those that were counted
};

// What became of the unsent notifications of a deleted event.
struct Unsent {
  int64_t cancelled = 0;
  int64_t left = 0;
};

// Within one transaction, which must outlive it.
class Deliveries {
 public:
  explicit Deliveries(data::Transaction& tx) : tx_(tx) {}

  // Those that are due, the longest due first, without their attempts. Locks their rows until the transaction ends, and
  // passes over those that somebody else has locked.
  absl::StatusOr<std::vector<Notification>> LockDue(int limit);

  // The following change locked notifications. An earlier attempt whose end was not recorded becomes UNKNOWN.
  //
  // Begins the next attempt of each: nobody else is given them until the lease is up.
  absl::Status Begin(absl::Span<const Beginning> beginnings, absl::Duration lease);
  // Ends them without an attempt.
  absl::Status End(absl::Span<const Uuid> ids, Notification::State state);
  // Each is due, and counts as made, at its time.
  absl::Status Postpone(absl::Span<const std::pair<Uuid, absl::Time>> until);

  // Records the ends of attempts, but for those whose lease is up, that are no longer the last one, or whose end was
  // recorded before (domain rule N6). Answers with the notifications of which it was recorded. Doing it again changes
  // nothing.
  absl::StatusOr<std::vector<Uuid>> Record(absl::Span<const Recorded> recorded);

  // Makes those of a deleted event CANCELLED that are PENDING, due or not, but for those that take back calendar
  // entries (E10). Those of which an attempt is under way, or that somebody else has locked, are left: it waits for
  // nobody.
  absl::StatusOr<Unsent> CancelUnsent(const Uuid& event_id);

  // The recipients who may have an entry of the event in their calendar: each was sent a REQUEST, or may have been, and
  // no CANCEL after it that was accepted.
  absl::StatusOr<std::vector<Uuid>> WithCalendarEntry(const Uuid& event_id);
  // The same of one recipient of an event, for each of these pairs.
  absl::StatusOr<std::vector<bool>> HaveCalendarEntry(absl::Span<const std::pair<Uuid, Uuid>> events_and_recipients);
  // Whether a mail with a REQUEST is under way to a party of the event.
  absl::StatusOr<bool> RequestUnderWay(const Uuid& event_id);

  // Of each of these recipients; `max` is at least 1.
  absl::StatusOr<std::map<Uuid, DailyMails>> DailyMailsOf(absl::Span<const Uuid> recipients, int max);

  // Deletes some attempts that began longer ago than `keep`, which is at least a day; see common/data/purge.h. What
  // they did to calendars stays with their notifications.
  absl::StatusOr<data::Purged> Purge(absl::Duration keep, absl::Time from);

 private:
  data::Transaction& tx_;
};

}  // namespace parley::notification
