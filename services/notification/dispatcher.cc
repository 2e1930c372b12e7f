#include "services/notification/dispatcher.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/status/status.h"
#include "services/notification/ended_events.h"
#include "services/notification/mail/mail.h"

namespace parley::notification {
namespace {

using Outcomes = v1::Notification::Attempt;
using Refusals = internal::token::v1::CreateEmailTokensResponse::Result;

constexpr absl::Duration kPollInterval = absl::Seconds(1);
// Before the token service or the database is asked once more for what it could not do.
constexpr absl::Duration kStepPause = absl::Milliseconds(250);
constexpr absl::Duration kMaxStepTimeout = absl::Seconds(5);
// What was not used of the mails per second is kept for so long.
constexpr absl::Duration kPaceWindow = absl::Seconds(1);
// How many are on their way for each sender: as many as it sends in so long, within bounds. More of them in one
// transaction cost less each; but what waits behind mails that take long loses its lease.
constexpr absl::Duration kAhead = absl::Milliseconds(100);
constexpr double kMinAhead = 2;
constexpr double kMaxAhead = 32;
// The part that the last mail has in the mean of all.
constexpr double kLastShare = 0.1;
// So long the ends of attempts wait for others that are recorded along with them.
constexpr absl::Duration kRecordDelay = absl::Milliseconds(5);
// The token service takes no more in one call.
constexpr int kMaxTokens = 1000;

// The database may answer another time.
bool MayPass(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kUnknown ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

// T1: the mail was certainly not taken, so nobody needs its key.
bool NeedsRevocation(const std::optional<EmailToken>& token, const SendResult& result) {
  return token && result.outcome != Outcomes::ACCEPTED && result.outcome != Outcomes::UNKNOWN;
}

bool IsRequest(const Delivery& delivery) {
  return delivery.calendar && *delivery.calendar != CalendarEntry::Method::kCancel;
}

CalendarEntry EntryOf(const Delivery& delivery, const Address& organizer, const Address& attendee, absl::Time now) {
  const data::Event& event = delivery.event;
  CalendarEntry entry;
  entry.method = *delivery.calendar;
  entry.event_id = event.id;
  entry.sequence = CalendarSequenceOf(event);
  entry.title = event.title;
  if (event.slots.size() == 1) entry.slot = event.slots.front();
  entry.organizer = organizer;
  entry.attendee = attendee;
  entry.stamp = now;
  return entry;
}

}  // namespace

Dispatcher::Dispatcher(DispatcherSettings settings, data::Pool& pool, const rpc::Signer& signer,
                       const SuppressionKey& suppression_key, TokenClient& tokens, MakeTransport make_transport)
    : settings_(std::move(settings)),
      pool_(pool),
      suppression_key_(suppression_key),
      tokens_(tokens),
      requested_keys_(pool, signer, tokens),
      make_transport_(std::move(make_transport)) {}

Dispatcher::~Dispatcher() { Stop(absl::Now()); }

void Dispatcher::Start() {
  absl::MutexLock lock(&mutex_);
  if (!threads_.empty() || stopping_) return;
  claims_running_ = 1;
  senders_running_ = settings_.senders;
  for (auto run : {&Dispatcher::RunClaims, &Dispatcher::RunRecords, &Dispatcher::RunChores}) {
    threads_.emplace_back([this, run] { RunThread(run); });
  }
  for (int i = 0; i < settings_.senders; ++i) threads_.emplace_back([this] { RunThread(&Dispatcher::RunSender); });
  running_ = static_cast<int>(threads_.size());
}

void Dispatcher::RunThread(void (Dispatcher::*run)()) {
  (this->*run)();
  absl::MutexLock lock(&mutex_);
  --running_;
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

void Dispatcher::Rest(uint64_t& wakes_seen) {
  absl::MutexLock lock(&mutex_);
  auto woken = [this, &wakes_seen]()
                   ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || wakes_ != wakes_seen; };
  mutex_.AwaitWithTimeout(absl::Condition(&woken), kPollInterval);
  wakes_seen = wakes_;
}

// ---- claim

void Dispatcher::RunClaims() {
  uint64_t wakes_seen = 0;
  while (const int limit = AwaitCapacity()) {
    if (ClaimSome(limit) < limit) Rest(wakes_seen);
  }
  absl::MutexLock lock(&mutex_);
  --claims_running_;
}

int Dispatcher::Capacity() const {
  const double ahead = std::clamp(absl::FDivDuration(kAhead, send_time_), kMinAhead, kMaxAhead);
  return static_cast<int>(ahead * settings_.senders);
}

int Dispatcher::AwaitCapacity() {
  // The senders live on the other half meanwhile.
  auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || in_flight_ <= Capacity() / 2; };
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(&free));
    if (stopping_) return 0;
    const absl::Time now = absl::Now();
    paced_until_ = std::max(paced_until_, now - kPaceWindow);
    const auto paced = static_cast<int64_t>(absl::ToDoubleSeconds(now - paced_until_) * settings_.mails_per_second);
    if (paced > 0) return static_cast<int>(std::min<int64_t>({paced, Capacity() - in_flight_, kMaxTokens}));
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), absl::Seconds(1) / settings_.mails_per_second);
  }
}

int Dispatcher::ClaimSome(int limit) {
  // Before the database's now(), so that we never think that the lease is longer than it is.
  const absl::Time lease_end = absl::Now() + settings_.claim.lease;
  const std::string call_id = Uuid::TimeOrdered().ToString();
  auto claimed = data::Transact(pool_, StepDeadline(), [&](data::Transaction& tx) {
    return Claim(tx, settings_.claim, suppression_key_, limit);
  });
  if (!claimed.ok()) {
    Log(LogLevel::kWarning, "cannot claim notifications",
        {{"call_id", call_id}, {"error", std::string(claimed.status().message())}});
    return 0;
  }
  for (const Notification& notification : claimed->ended) {
    Log(LogLevel::kInfo, "notification ended",
        {{"call_id", call_id},
         {"notification", notification.id.ToString()},
         {"state", v1::Notification::State_Name(notification.state)}});
  }
  std::vector<Item> items;
  for (Delivery& delivery : claimed->deliveries) {
    items.push_back({std::move(delivery), std::nullopt, lease_end, call_id, {}, std::nullopt, false});
  }
  if (items.empty()) return claimed->due;
  DeferEnded(items);
  MakeTokens(items, call_id);
  Put(std::move(items));
  return claimed->due;
}

// N7: what ended before these attempts had begun may have been looked at already, and found without them: so they put
// no entry into a calendar any more; the next attempts see that it has ended. What ends from now on is looked at with
// these (ended_events.h).
void Dispatcher::DeferEnded(std::vector<Item>& items) {
  std::vector<Uuid> ids;
  for (const Item& item : items) {
    if (IsRequest(item.delivery)) ids.push_back(item.delivery.event.id);
  }
  if (ids.empty()) return;
  const auto events =
      data::Transact(pool_, StepDeadline(), [&](data::Transaction& tx) { return data::Events(tx).Find(ids); });
  for (Item& item : items) {
    if (!IsRequest(item.delivery)) continue;
    if (!events.ok()) {
      item.result = {Outcomes::DEFERRED, "the event could not be read again"};
      continue;
    }
    const auto now = std::ranges::find(*events, item.delivery.event.id, &data::Event::id);
    if (now != events->end() && IsEnded(*now)) item.result = {Outcomes::DEFERRED, "the event has ended meanwhile"};
  }
}

// Items without a token that need one have their result already.
void Dispatcher::MakeTokens(std::vector<Item>& items, const std::string& call_id) {
  std::vector<Item*> needy;
  std::vector<TokenHolder> holders;
  for (Item& item : items) {
    const Notification& notification = item.delivery.notification;
    if (item.result.outcome != Outcomes::OUTCOME_UNSPECIFIED) continue;
    if (notification.cause == v1::Notification::CANCEL_CALENDAR_ENTRY) continue;
    needy.push_back(&item);
    holders.push_back({notification.event_id, notification.recipient_id});
  }
  if (needy.empty()) return;
  const auto made = tokens_.Create(holders, call_id, StepDeadline());
  for (size_t i = 0; i < needy.size(); ++i) {
    Item& item = *needy[i];
    item.result.outcome = Outcomes::DEFERRED;
    if (!made.ok()) {
      item.result.detail =
          absl::StrCat("the token service gave no key: ", absl::StatusCodeToString(made.status().code()));
    } else if ((*made)[i].refusal == Refusals::EVENT_GONE) {
      item.result.detail = "the event was deleted";
      item.end = v1::Notification::CANCELLED;
    } else if ((*made)[i].refusal == Refusals::USER_DEACTIVATED) {
      item.result.detail = "the recipient is deactivated";  // U4
      item.end = v1::Notification::SUPPRESSED;
    } else {
      item.result = {};
      item.token = (*made)[i];
    }
  }
}

void Dispatcher::Put(std::vector<Item> items) {
  absl::MutexLock lock(&mutex_);
  in_flight_ += static_cast<int>(items.size());
  paced_until_ += items.size() * absl::Seconds(1) / settings_.mails_per_second;
  for (Item& item : items) {
    const bool ended = item.result.outcome != Outcomes::OUTCOME_UNSPECIFIED;
    ended ? sent_.push_back(std::move(item)) : to_send_.push_back(std::move(item));
  }
}

// ---- send

void Dispatcher::RunSender() {
  const std::unique_ptr<Transport> transport = make_transport_();
  while (auto item = NextToSend()) {
    const absl::Time begin = absl::Now();
    item->result = Send(*item, *transport);
    const absl::Duration taken = absl::Now() - begin;
    absl::MutexLock lock(&mutex_);
    send_time_ = (1 - kLastShare) * send_time_ + kLastShare * taken;
    sent_.push_back(*std::move(item));
  }
  absl::MutexLock lock(&mutex_);
  --senders_running_;
}

std::optional<Dispatcher::Item> Dispatcher::NextToSend() {
  auto some = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !to_send_.empty() || claims_running_ == 0; };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&some));
  if (to_send_.empty()) return std::nullopt;
  Item item = std::move(to_send_.front());
  to_send_.pop_front();
  return item;
}

SendResult Dispatcher::Send(const Item& item, Transport& transport) {
  const Delivery& delivery = item.delivery;
  const absl::Time now = absl::Now();
  if (abort_.stop_requested()) return {Outcomes::DEFERRED, "Parley was stopped before"};
  // Once the lease is up another may send it as well.
  if (now + settings_.send_timeout + 2 * StepTimeout() > item.lease_end) {
    return {Outcomes::DEFERRED, "too little was left of the lease"};
  }
  const data::Party* recipient = delivery.event.FindParty(delivery.notification.recipient_id);
  if (recipient == nullptr) return {Outcomes::REFUSED, "the recipient is not a party"};
  Mail mail;
  mail.cause = delivery.notification.cause;
  mail.notification_id = delivery.notification.id;
  mail.from = settings_.mail_from;
  mail.to = recipient->address;
  mail.sender = delivery.sender;
  mail.event = delivery.event;
  mail.date = now;
  if (item.token) mail.key = Mail::Key{item.token->key, item.token->expire_time};
  if (delivery.calendar) mail.calendar = EntryOf(delivery, mail.from, mail.to, now);
  mail.unsubscribe_token = suppression_key_.UnsubscribeToken(mail.to);
  mail.public_address = settings_.public_address;
  const auto message = ComposeMail(mail);
  if (!message.ok()) return {Outcomes::REFUSED, std::string(message.status().message())};
  return transport.Send(mail.from.ToString(), mail.to.ToString(), *message, abort_.get_token());
}

// ---- record

void Dispatcher::RunRecords() {
  std::vector<Item> to_revoke;
  while (true) {
    std::vector<Item> items = AwaitSent(!to_revoke.empty());
    if (items.empty() && to_revoke.empty()) return;
    const auto rest = std::partition(items.begin(), items.end(),
                                     [](const Item& item) { return !NeedsRevocation(item.token, item.result); });
    to_revoke.insert(to_revoke.end(), std::make_move_iterator(rest), std::make_move_iterator(items.end()));
    items.erase(rest, items.end());
    // Mails that were accepted wait for a token service that hangs no longer than for one step.
    Record(items);
    Record(RevokeSome(to_revoke));
  }
}

std::vector<Dispatcher::Item> Dispatcher::AwaitSent(bool more_to_do) {
  auto some = [this, more_to_do]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !sent_.empty() || (senders_running_ == 0 && !more_to_do);
  };
  auto enough = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || sent_.size() >= static_cast<size_t>(std::min(in_flight_, Capacity() / 2));
  };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&some), more_to_do ? kStepPause : absl::InfiniteDuration());
  mutex_.AwaitWithTimeout(absl::Condition(&enough), kRecordDelay);
  return std::exchange(sent_, {});
}

// T1: takes out those whose keys are revoked, and may be recorded so. Those that cannot be stay for another try while
// the lease lasts; then they are taken out as UNKNOWN, since a key lives of which nobody will think any more. What was
// refused for good has failed all the same.
std::vector<Dispatcher::Item> Dispatcher::RevokeSome(std::vector<Item>& to_revoke) {
  if (to_revoke.empty()) return {};
  const auto end = to_revoke.begin() + std::min<ptrdiff_t>(std::ssize(to_revoke), kMaxTokens);
  std::vector<Uuid> ids;
  for (auto item = to_revoke.begin(); item != end; ++item) ids.push_back(item->token->id);
  const absl::Status revoked = tokens_.Revoke(ids, to_revoke.front().call_id, StepDeadline());
  auto rest = to_revoke.begin();
  if (!revoked.ok()) {
    // In time for yet another try, and for the record.
    const absl::Time last = absl::Now() + 2 * StepTimeout();
    const bool aborting = abort_.stop_requested();
    rest = std::stable_partition(to_revoke.begin(), end,
                                 [&](const Item& item) { return !aborting && item.lease_end > last; });
    for (auto item = rest; item != end; ++item) {
      if (item->result.outcome == Outcomes::REFUSED) item->end = v1::Notification::FAILED;
      item->sent_nothing = true;
      item->result.outcome = Outcomes::UNKNOWN;
      item->result.detail = absl::StrCat("the key could not be revoked after: ", item->result.detail);
    }
  }
  std::vector<Item> done(std::make_move_iterator(rest), std::make_move_iterator(end));
  to_revoke.erase(rest, end);
  return done;
}

Recorded Dispatcher::RecordedOf(const Item& item) {
  const Notification& notification = item.delivery.notification;
  Recorded recorded{notification.id,           notification.attempts_begun, item.result.outcome, item.result.detail,
                    v1::Notification::PENDING, absl::ZeroDuration(),        item.sent_nothing};
  absl::BitGen random;
  const absl::Duration pause = RetryPause(settings_.retry_pause, notification.attempts_counted(), random);
  if (item.end) {
    recorded.state = *item.end;
  } else if (recorded.outcome == Outcomes::ACCEPTED) {
    recorded.state = v1::Notification::SENT;
  } else if (recorded.outcome == Outcomes::REFUSED ||
             absl::Now() + pause > notification.pending_since + settings_.claim.retry_for) {
    recorded.state = v1::Notification::FAILED;
  } else {
    recorded.pause = pause;
  }
  return recorded;
}

void Dispatcher::Record(const std::vector<Item>& items) {
  if (items.empty()) return;
  std::vector<Recorded> results;
  absl::Time last_lease_end = absl::InfinitePast();
  std::vector<std::pair<std::string, std::string>> no_such_addresses;  // keyed hashes, and what the server said
  for (const Item& item : items) {
    results.push_back(RecordedOf(item));
    last_lease_end = std::max(last_lease_end, item.lease_end);
    if (!item.result.no_such_address) continue;
    const data::Party* recipient = item.delivery.event.FindParty(item.delivery.notification.recipient_id);
    no_such_addresses.emplace_back(suppression_key_.Mac(recipient->address), item.result.detail);
  }
  // Doing it again is harmless, also after a commit in doubt.
  auto record = [&](data::Transaction& tx) -> absl::StatusOr<std::vector<Uuid>> {
    for (const auto& [address_mac, detail] : no_such_addresses) {
      PARLEY_RETURN_IF_ERROR(Suppressions(tx).Insert(address_mac, v1::Suppression::ADDRESS_REFUSED, detail));
    }
    return Deliveries(tx).Record(results);
  };
  auto recorded = data::Transact(pool_, StepDeadline(), record);
  while (!recorded.ok() && AwaitRetry(recorded.status(), last_lease_end)) {
    recorded = data::Transact(pool_, StepDeadline(), record);
  }
  LogAttempts(items, results, recorded);
  absl::MutexLock lock(&mutex_);
  in_flight_ -= static_cast<int>(items.size());
}

void Dispatcher::LogAttempts(const std::vector<Item>& items, const std::vector<Recorded>& results,
                             const absl::StatusOr<std::vector<Uuid>>& recorded) {
  if (!recorded.ok()) {
    Log(LogLevel::kError, "the ends of attempts could not be recorded",
        {{"call_id", items.front().call_id},
         {"count", static_cast<int64_t>(items.size())},
         {"error", std::string(recorded.status().message())}});
    return;
  }
  const std::set<Uuid> written(recorded->begin(), recorded->end());
  for (size_t i = 0; i < items.size(); ++i) {
    // N6: somebody else has taken it over.
    const bool ours = written.contains(results[i].notification_id);
    Log(ours ? LogLevel::kInfo : LogLevel::kWarning, ours ? "attempt" : "an attempt that is not ours any more",
        {{"call_id", items[i].call_id},
         {"notification", results[i].notification_id.ToString()},
         {"attempt", results[i].attempt},
         {"outcome", v1::Notification::Attempt::Outcome_Name(results[i].outcome)},
         {"state", ours ? v1::Notification::State_Name(results[i].state) : ""},
         {"detail", results[i].detail}});
  }
}

bool Dispatcher::AwaitRetry(const absl::Status& status, absl::Time lease_end) {
  absl::MutexLock lock(&mutex_);
  // What is not recorded while the lease lasts is tried again by somebody (N6).
  if (!MayPass(status) || absl::Now() >= lease_end) return false;
  return !mutex_.AwaitWithTimeout(absl::Condition(&aborting_), kStepPause);
}

// ---- chores

void Dispatcher::RunChores() {
  uint64_t wakes_seen = 0;
  while (true) {
    // In turn, so that many of one kind do not keep the others waiting.
    const bool requested = WorkOffRequest();
    const bool ended = WorkOffEnded();
    if (!requested && !ended) Rest(wakes_seen);
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
  }
}

// False where there was nothing to do, or it could not be done now; as WorkOffEnded.
bool Dispatcher::WorkOffRequest() {
  const auto worked_off = requested_keys_.WorkOffOne(StepTimeout());
  if (!worked_off.ok()) {
    Log(LogLevel::kWarning, "cannot claim a request for a key",
        {{"error", std::string(worked_off.status().message())}});
    return false;
  }
  if (*worked_off) Wake();
  return *worked_off;
}

bool Dispatcher::WorkOffEnded() {
  const auto work = WorkOffEndedEvent(pool_, StepTimeout());
  if (!work.ok()) {
    Log(LogLevel::kWarning, "cannot claim an event that has ended", {{"error", std::string(work.status().message())}});
    return false;
  }
  if (!*work) return false;
  if (!(*work)->failed.ok()) {
    Log(LogLevel::kError, "cannot work off an event that has ended",
        {{"error", std::string((*work)->failed.message())}});
  }
  for (const Notification& notification : (*work)->made) {
    Log(LogLevel::kInfo, "a calendar entry is taken back", {{"notification", notification.id.ToString()}});
  }
  if ((*work)->cancelled > 0) {
    Log(LogLevel::kInfo, "notifications of a deleted event cancelled", {{"count", (*work)->cancelled}});
  }
  if (!(*work)->made.empty()) Wake();
  return true;
}

// What is left of the lease beside the sending goes to four steps: making tokens, revoking them, recording, and spare.
absl::Duration Dispatcher::StepTimeout() const {
  return std::min(kMaxStepTimeout, (settings_.claim.lease - settings_.send_timeout) / 4);
}

absl::Time Dispatcher::StepDeadline() const { return absl::Now() + StepTimeout(); }

}  // namespace parley::notification
