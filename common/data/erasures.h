// Erasure of people (domain rule A7): all that shows the address is gone at once, and an entry on the log of each event
// that names the person follows. Used by the token service, which erases, and by the event service, which tells.
#pragma once

#include <optional>

#include "common/data/log_entries.h"

namespace parley::data {

// An erasure that is still to be told on logs.
struct Erasure {
  Uuid user_id;         // whose
  Effector effector;    // who erased
  bool blanked = true;  // whether BlankSome has nothing left to do
};

// Within one transaction, which must outlive it.
class Erasures {
 public:
  explicit Erasures(Transaction& tx) : tx_(tx) {}

  // Until the transaction ends nobody is erased. Whoever writes an address, or what was read with one, asks this before
  // reading it: or it would be written after the erasure that should have removed it. Who holds an event's row already
  // may be let past an erasure that waits for somebody who waits for that row, but only after PostgreSQL's
  // deadlock_timeout.
  absl::Status Hold();

  // The user is gone, with all keys: from now on nobody writes the address any more. Waits for those who hold. What
  // shows it is still to be blanked. False where there is no such user.
  absl::StatusOr<bool> Erase(const Uuid& user_id, const Effector& effector);
  // Empties what shows the address, and deletes the e-mail tokens, of some of the user's events, and deletes some
  // remembered calls. Logs have commitments, which nothing opens then. False where nothing is left to do, which is
  // noted.
  absl::StatusOr<bool> BlankSome(const Uuid& user_id);

  // One that is due, locked until the transaction ends; nothing where none is. What is still to be blanked comes first,
  // once whoever erased must have given up; then they take turns.
  absl::StatusOr<std::optional<Erasure>> TryLock();
  // The next event that names the user and was not told yet; nothing where all were.
  absl::StatusOr<std::optional<Uuid>> NextEvent(const Uuid& user_id);
  // The event was told: the party, where it is one, no longer counts.
  absl::Status Told(const Uuid& user_id, const Uuid& event_id);
  // All were told.
  absl::Status Delete(const Uuid& user_id);
  // It is to be tried again after the pause.
  absl::Status Postpone(const Uuid& user_id, absl::Duration pause);

 private:
  Transaction& tx_;
};

}  // namespace parley::data
