#include "services/notification/dispatcher.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/data/users.h"
#include "common/log/log.h"
#include "common/status/status.h"
#include "services/notification/mail.h"

namespace parley::notification {
namespace {

using Outcomes = v1::Notification::Attempt;

constexpr absl::Duration kPollInterval = absl::Seconds(1);
constexpr absl::Duration kRecordPause = absl::Milliseconds(250);
constexpr absl::Duration kMaxStepTimeout = absl::Seconds(5);
constexpr absl::Duration kMaxRetryPause = absl::Hours(1);

// The database may answer another time.
bool MayPass(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kUnknown ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

}  // namespace

Dispatcher::Dispatcher(DispatcherSettings settings, data::Pool& pool, const rpc::Signer& signer, TokenClient& tokens,
                       MakeTransport make_transport)
    : settings_(std::move(settings)),
      pool_(pool),
      tokens_(tokens),
      requested_keys_(pool, signer, tokens),
      make_transport_(std::move(make_transport)) {}

Dispatcher::~Dispatcher() { Stop(absl::Now()); }

void Dispatcher::Start() {
  absl::MutexLock lock(&mutex_);
  if (!threads_.empty() || stopping_) return;
  running_ = settings_.threads;
  for (int i = 0; i < settings_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

void Dispatcher::Wake() {
  absl::MutexLock lock(&mutex_);
  ++wakes_;
}

void Dispatcher::Stop(absl::Time deadline) {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    auto none_running = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_ == 0; };
    mutex_.AwaitWithDeadline(absl::Condition(&none_running), deadline);
    aborting_ = true;
    threads.swap(threads_);
  }
  abort_.request_stop();
  for (std::thread& thread : threads) thread.join();
}

bool Dispatcher::Stopping(uint64_t& wakes_seen) {
  absl::MutexLock lock(&mutex_);
  wakes_seen = wakes_;
  return stopping_;
}

void Dispatcher::Rest(uint64_t wakes_seen) {
  absl::MutexLock lock(&mutex_);
  auto woken = [this, wakes_seen]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || wakes_ != wakes_seen; };
  mutex_.AwaitWithTimeout(absl::Condition(&woken), kPollInterval);
}

void Dispatcher::Run() {
  const std::unique_ptr<Transport> transport = make_transport_();
  uint64_t wakes_seen = 0;
  while (!Stopping(wakes_seen)) {
    Sweep();
    // In turn, so that many of one kind do not keep the others waiting.
    const bool worked_off = WorkOffRequest();
    const bool delivered = DeliverOne(*transport);
    if (!worked_off && !delivered) Rest(wakes_seen);
  }
  absl::MutexLock lock(&mutex_);
  --running_;
}

void Dispatcher::Sweep() {
  {
    absl::MutexLock lock(&mutex_);
    if (absl::Now() < next_sweep_) return;
    next_sweep_ = absl::Now() + settings_.sweep_pause;
  }
  const auto cancelled = data::Transact(
      pool_, StepDeadline(), [](data::Transaction& tx) { return Notifications(tx).CancelOfDeletedEvents(); });
  if (!cancelled.ok()) {
    Log(LogLevel::kWarning, "cannot cancel notifications of deleted events",
        {{"error", std::string(cancelled.status().message())}});
  } else if (*cancelled > 0) {
    Log(LogLevel::kInfo, "notifications of deleted events cancelled", {{"count", *cancelled}});
  }
}

bool Dispatcher::WorkOffRequest() {
  const auto worked_off = requested_keys_.WorkOffOne(StepTimeout());
  if (worked_off.ok()) return *worked_off;
  Log(LogLevel::kWarning, "cannot claim a request for a key", {{"error", std::string(worked_off.status().message())}});
  return false;
}

bool Dispatcher::DeliverOne(Transport& transport) {
  const auto claimed = Claim();
  if (!claimed.ok()) {
    Log(LogLevel::kWarning, "cannot claim a notification", {{"error", std::string(claimed.status().message())}});
    return false;
  }
  if (!*claimed) return false;
  const Delivery& delivery = **claimed;
  if (delivery.notification.state == v1::Notification::PENDING) {
    Record(delivery, Deliver(delivery, transport));
  } else {
    Log(LogLevel::kInfo, "notification ended",
        {{"notification", delivery.notification.id.ToString()},
         {"state", v1::Notification::State_Name(delivery.notification.state)}});
  }
  return true;
}

// What is left of the lease beside the sending goes to four steps: making a token, revoking it, recording, and spare.
absl::Duration Dispatcher::StepTimeout() const {
  return std::min(kMaxStepTimeout, (settings_.lease - settings_.send_timeout) / 4);
}

absl::Time Dispatcher::StepDeadline() const { return absl::Now() + StepTimeout(); }

absl::StatusOr<std::optional<Dispatcher::Delivery>> Dispatcher::Claim() {
  // Before the database's now(), so that we never think that the lease is longer than it is.
  const absl::Time lease_end = absl::Now() + settings_.lease;
  auto claim = [&](data::Transaction& tx) -> absl::StatusOr<std::optional<Delivery>> {
    PARLEY_ASSIGN_OR_RETURN(auto notification, Notifications(tx).Claim(settings_.lease, settings_.max_attempts));
    if (!notification) return std::nullopt;
    Delivery delivery{*std::move(notification), {}, {}, lease_end, Uuid::TimeOrdered().ToString()};
    if (delivery.notification.state != v1::Notification::PENDING) return delivery;
    PARLEY_ASSIGN_OR_RETURN(auto events, data::Events(tx).Find({delivery.notification.event_id}));
    delivery.event = std::move(events.front());
    if (const data::Party* sender = delivery.event.FindParty(delivery.notification.sender_id)) {
      delivery.sender = sender->address;
    } else {
      PARLEY_ASSIGN_OR_RETURN(auto users, data::Users(tx).FindByIds({delivery.notification.sender_id}));
      delivery.sender = std::move(users.front().address);
    }
    return delivery;
  };
  return data::Transact(pool_, StepDeadline(), claim);
}

Recorded Dispatcher::ResultOf(const Delivery& delivery, SendResult result) const {
  const int64_t attempt = delivery.notification.attempts_counted();
  Recorded recorded{result.outcome, std::move(result.detail), v1::Notification::PENDING, absl::ZeroDuration()};
  if (recorded.outcome == Outcomes::ACCEPTED) {
    recorded.state = v1::Notification::SENT;
  } else if (recorded.outcome == Outcomes::REFUSED || attempt >= settings_.max_attempts) {
    recorded.state = v1::Notification::FAILED;
  } else {
    recorded.pause = std::min(settings_.retry_pause * std::exp2(static_cast<double>(attempt - 1)), kMaxRetryPause);
  }
  return recorded;
}

Recorded Dispatcher::Deliver(const Delivery& delivery, Transport& transport) {
  const auto token =
      tokens_.Create(delivery.event.id, delivery.notification.recipient_id, delivery.call_id, StepDeadline());
  if (token.status().code() == absl::StatusCode::kNotFound) {
    return {Outcomes::DEFERRED, "the event was deleted", v1::Notification::CANCELLED, absl::ZeroDuration()};
  }
  // U4.
  if (ReasonOf(token.status()) == error::v1::USER_STATE) {
    return {Outcomes::DEFERRED, "the recipient is deactivated", v1::Notification::SUPPRESSED, absl::ZeroDuration()};
  }
  if (!token.ok()) {
    const std::string code = absl::StatusCodeToString(token.status().code());
    return ResultOf(delivery, {Outcomes::DEFERRED, absl::StrCat("the token service gave no key: ", code)});
  }
  SendResult result = Send(delivery, *token, transport);
  // T1: a refusal is recorded only once the token is revoked.
  if (result.outcome == Outcomes::REFUSED || result.outcome == Outcomes::DEFERRED) {
    const absl::Status revoked = tokens_.Revoke(token->id, delivery.call_id, StepDeadline());
    if (!revoked.ok()) {
      result = {Outcomes::UNKNOWN, absl::StrCat("the key could not be revoked after: ", result.detail)};
    }
  }
  return ResultOf(delivery, std::move(result));
}

SendResult Dispatcher::Send(const Delivery& delivery, const EmailToken& token, Transport& transport) {
  const data::Party* recipient = delivery.event.FindParty(delivery.notification.recipient_id);
  if (recipient == nullptr) return {Outcomes::REFUSED, "the recipient is not a party"};
  Mail mail;
  mail.notification_id = delivery.notification.id;
  mail.from = settings_.mail_from;
  mail.to = recipient->address;
  mail.sender = delivery.sender;
  mail.requested = delivery.notification.requested;
  mail.title = delivery.event.title;
  mail.state = delivery.event.state;
  mail.slots = delivery.event.slots;
  mail.time_zone = delivery.event.time_zone;
  mail.date = absl::Now();
  mail.key = token.key;
  mail.expire_time = token.expire_time;
  mail.public_address = settings_.public_address;
  const std::string message = ComposeMail(mail);
  // Once the lease is up another may send it as well.
  if (absl::Now() + settings_.send_timeout > delivery.lease_end) {
    return {Outcomes::DEFERRED, "too little was left of the lease"};
  }
  return transport.Send(mail.from.ToString(), mail.to.ToString(), message, abort_.get_token());
}

void Dispatcher::Record(const Delivery& delivery, const Recorded& recorded) {
  const Notification& notification = delivery.notification;
  while (true) {
    // Doing it again is harmless, also after a commit in doubt.
    const absl::Status status = data::Transact(pool_, StepDeadline(), [&](data::Transaction& tx) {
      return Notifications(tx).Record(notification.id, notification.attempts_begun, recorded);
    });
    if (status.ok()) break;
    absl::MutexLock lock(&mutex_);
    // What is not recorded while the lease lasts is tried again by somebody (N6).
    if (!MayPass(status) || absl::Now() >= delivery.lease_end || aborting_) {
      Log(LogLevel::kError, "the end of an attempt could not be recorded",
          {{"call_id", delivery.call_id},
           {"notification", notification.id.ToString()},
           {"error", std::string(status.message())}});
      return;
    }
    mutex_.AwaitWithTimeout(absl::Condition(&aborting_), kRecordPause);
  }
  Log(LogLevel::kInfo, "attempt",
      {{"call_id", delivery.call_id},
       {"notification", notification.id.ToString()},
       {"attempt", notification.attempts_begun},
       {"outcome", v1::Notification::Attempt::Outcome_Name(recorded.outcome)},
       {"state", v1::Notification::State_Name(recorded.state)},
       {"detail", recorded.detail}});
}

}  // namespace parley::notification
