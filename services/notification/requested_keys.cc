#include "services/notification/requested_keys.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "common/data/users.h"
#include "common/log/log.h"
#include "common/status/status.h"
#include "services/notification/notification_messages.h"

namespace parley::notification {
namespace {

constexpr absl::Duration kPause = absl::Minutes(10);
constexpr int kMaxDaily = 5;

// Null where the request's address is no party's.
const data::Party* PartyOf(const rpc::Signer& signer, const data::Event& event, const EmailTokenRequest& request) {
  const auto found = std::ranges::find_if(event.parties, [&](const data::Party& party) {
    return signer.IsMac(request.address_mac, kAddressPurpose, party.address.Key());
  });
  return found == event.parties.end() ? nullptr : &*found;
}

// Whether this party may be sent a key now. The event's row is locked.
absl::StatusOr<bool> MaySend(data::Transaction& tx, const data::Event& event, const Uuid& party_id) {
  PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByIds({party_id}));
  if (users.empty() || users.front().state == token::v1::User::DEACTIVATED) return false;
  return Notifications(tx).MayRequest(event.id, party_id, kPause, kMaxDaily);
}

absl::StatusOr<Uuid> Send(data::Transaction& tx, const data::Event& event, const Uuid& party_id) {
  Notification notification;
  notification.id = Uuid::TimeOrdered();
  notification.event_id = event.id;
  notification.recipient_id = party_id;
  notification.sender_id = party_id;
  notification.create_time = tx.now();
  notification.cause = v1::Notification::REQUEST_EMAIL_TOKEN;
  PARLEY_RETURN_IF_ERROR(Notifications(tx).Insert({notification}));
  data::Effector effector;
  effector.user_id = party_id;
  PARLEY_RETURN_IF_ERROR(AppendEntries(tx, event, effector, {notification}));
  return notification.id;
}

}  // namespace

absl::StatusOr<bool> RequestedKeys::WorkOffOne(absl::Duration step_timeout) {
  // Longer than the two steps that follow take together.
  const absl::Duration lease = 3 * step_timeout;
  PARLEY_ASSIGN_OR_RETURN(const auto request,
                          data::Transact(pool_, absl::Now() + step_timeout,
                                         [&](data::Transaction& tx) { return EmailTokenRequests(tx).Claim(lease); }));
  if (!request) return false;
  const std::string call_id = Uuid::TimeOrdered().ToString();
  const auto sent = WorkOff(*request, call_id, step_timeout);
  const std::string id = request->id.ToString();
  if (!sent.ok()) {
    Log(LogLevel::kWarning, "a request for a key stays for later",
        {{"call_id", call_id}, {"request", id}, {"error", std::string(sent.status().message())}});
  } else {
    Log(LogLevel::kInfo, "a request for a key was worked off",
        {{"call_id", call_id}, {"request", id}, {"notification", *sent ? (*sent)->ToString() : ""}});
  }
  return true;
}

absl::StatusOr<std::optional<Uuid>> RequestedKeys::WorkOff(const EmailTokenRequest& request, const std::string& call_id,
                                                           absl::Duration step_timeout) {
  // The event, and where a key was given, the party.
  std::optional<Uuid> event_id = request.event_id;
  std::optional<Uuid> party_id;
  if (!request.key_hash.empty()) {
    const auto found = tokens_.Find(request.key_hash, call_id, absl::Now() + step_timeout);
    if (!found.ok() && found.status().code() != absl::StatusCode::kNotFound) return found.status();
    if (found.ok()) {
      event_id = found->event_id;
      party_id = found->user_id;
    }
  }
  auto work_off = [&](data::Transaction& tx) -> absl::StatusOr<std::optional<Uuid>> {
    PARLEY_ASSIGN_OR_RETURN(const bool ours, EmailTokenRequests(tx).Delete(request.id));
    if (!ours || !event_id) return std::nullopt;
    PARLEY_ASSIGN_OR_RETURN(const auto locked, data::Events(tx).Lock({*event_id}));
    if (locked.empty() || locked.front().delete_time) return std::nullopt;
    const data::Event& event = locked.front();
    const data::Party* party = party_id ? event.FindParty(*party_id) : PartyOf(signer_, event, request);
    if (party == nullptr) return std::nullopt;
    PARLEY_ASSIGN_OR_RETURN(const bool may_send, MaySend(tx, event, party->user_id));
    if (!may_send) return std::nullopt;
    PARLEY_ASSIGN_OR_RETURN(const Uuid sent, Send(tx, event, party->user_id));
    return sent;
  };
  return data::Transact(pool_, absl::Now() + step_timeout, work_off);
}

}  // namespace parley::notification
