// Erasure of people (domain rule A7): at once all that shows an address is gone, and an entry on the log of each event
// that names the person follows. Used by the token service, which erases, and by the event service, which tells.
#pragma once

#include <optional>

#include "common/data/log_entries.h"

namespace parley::data {

// An erasure that is still to be told on logs.
struct Erasure {
  Uuid user_id;       // whose
  Effector effector;  // who erased
};

// Within one transaction, which must outlive it.
class Erasures {
 public:
  explicit Erasures(Transaction& tx) : tx_(tx) {}

  // Until the transaction ends nobody is erased. Whoever writes an address, or what was read with one, asks this before
  // reading it: or it would be written after the erasure that should have removed it.
  absl::Status Hold();

  // Removes the user, with keys, e-mail tokens, remembered calls and all that shows the address, from all tables; logs
  // have commitments, which nothing opens any more. Waits for those who hold. False where there is no such user.
  absl::StatusOr<bool> Erase(const Uuid& user_id, const Effector& effector);

  // One that is due, locked until the transaction ends; nothing where none is.
  absl::StatusOr<std::optional<Erasure>> TryLock();
  // The next event that names the user and was not told yet; nothing where all were.
  absl::StatusOr<std::optional<Uuid>> NextEvent(const Uuid& user_id);
  // The event was told: the party, where it is one, no longer counts.
  absl::Status Told(const Uuid& user_id, const Uuid& event_id);
  // All were told.
  absl::Status Delete(const Uuid& user_id);
  // The first that is due is to be tried again after the pause.
  absl::Status Postpone(absl::Duration pause);

 private:
  Transaction& tx_;
};

}  // namespace parley::data
