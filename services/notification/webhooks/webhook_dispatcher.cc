#include "services/notification/webhooks/webhook_dispatcher.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/status/status.h"
#include "parley/notification/v1/webhook.pb.h"
#include "services/notification/transport/retry_pause.h"

namespace parley::notification {
namespace {

constexpr absl::Duration kStepTimeout = absl::Seconds(5);
// How much later than the deadline Stop may return.
constexpr absl::Duration kStopMargin = absl::Seconds(1);
// Before the database is asked once more for what it could not do.
constexpr absl::Duration kStepPause = absl::Milliseconds(250);
constexpr absl::Duration kFailedPause = absl::Seconds(1);
// So long it is known that a receiver of which nothing was heard since has failed.
constexpr absl::Duration kRemembered = absl::Minutes(10);
constexpr absl::Duration kExpireInterval = absl::Minutes(1);
constexpr absl::Duration kExpirePause = absl::Milliseconds(100);

// Whether it says that the event service cannot answer now, not that it cannot tell of this entry.
bool IsAway(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status);
}

}  // namespace

WebhookDispatcher::WebhookDispatcher(WebhookDispatcherSettings settings, data::Pool& pool, const WebhookKey& key,
                                     EventClient& events)
    : settings_(std::move(settings)), pool_(pool), key_(key), events_(events), posts_(settings_.posts) {}

WebhookDispatcher::~WebhookDispatcher() { Stop(absl::Now()); }

void WebhookDispatcher::Start() {
  absl::MutexLock lock(&mutex_);
  if (thread_.joinable() || stop_deadline_) return;
  thread_ = std::thread([this] { Run(); });
  claim_.Start();
  expire_.Start();
}

void WebhookDispatcher::Wake() { claim_.Wake(); }

void WebhookDispatcher::Stop(absl::Time deadline) {
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    stop_deadline_ = std::min(deadline, stop_deadline_.value_or(deadline));
    thread.swap(thread_);
  }
  stop_reading_.request_stop();
  claim_.Stop();
  {
    absl::MutexLock lock(&mutex_);
    all_begun_ = true;
  }
  posts_.Wake();
  if (thread.joinable()) thread.join();
  expire_.Stop();
}

absl::Time WebhookDispatcher::StepDeadline() {
  absl::MutexLock lock(&mutex_);
  const absl::Time deadline = absl::Now() + kStepTimeout;
  return stop_deadline_ ? std::min(deadline, *stop_deadline_ + kStopMargin) : deadline;
}

// ---- the thread that begins

std::vector<FreeAttempts> WebhookDispatcher::Busy(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  std::erase_if(receivers_, [now](const auto& each) {
    const Receiver& receiver = each.second;
    return receiver.under_way == 0 && (receiver.failures == 0 || receiver.rest_until + kRemembered < now);
  });
  std::vector<FreeAttempts> busy;
  for (const auto& [id, receiver] : receivers_) {
    const int at_once = receiver.failures == 0 ? kAtOnce : (now < receiver.rest_until ? 0 : 1);
    busy.push_back({id, std::max(at_once - receiver.under_way, 0)});
  }
  return busy;
}

absl::Duration WebhookDispatcher::ClaimSome() {
  const absl::Time now = absl::Now();
  // Whoever woke us knows nothing of that.
  if (now < away_until_) return away_until_ - now;
  {
    absl::MutexLock lock(&mutex_);
    if (stop_deadline_ || unrecorded_) return settings_.poll_interval;
  }
  const absl::Duration lease = settings_.posts.timeout + settings_.lease_margin;
  auto begun = data::Transact(pool_, StepDeadline(), [&, busy = Busy(now)](data::Transaction& tx) {
    return WebhookDeliveries(tx).Begin(busy, kAtOnce, lease);
  });
  if (!begun.ok()) {
    Log(LogLevel::kWarning, "cannot begin to send to webhooks", {{"error", std::string(begun.status().message())}});
    away_until_ = absl::Now() + kFailedPause;
    return kFailedPause;
  }
  // From before the database's now(), so that we never think that the lease is longer than it is.
  if (begun->empty() || Prepare(*std::move(begun), now + lease)) return settings_.poll_interval;
  away_until_ = absl::Now() + kFailedPause;
  return kFailedPause;
}

bool WebhookDispatcher::Prepare(std::vector<BegunAttempt> begun, absl::Time lease_end) {
  {
    absl::MutexLock lock(&mutex_);
    for (const BegunAttempt& each : begun) ++receivers_[each.delivery.webhook_id].under_way;
  }
  const std::string call_id = Uuid::TimeOrdered().ToString();
  absl::Status away;
  for (BegunAttempt& each : begun) {
    Sending sending{std::move(each), lease_end};
    Read(sending, call_id, away);
    {
      absl::MutexLock lock(&mutex_);
      prepared_.push_back(std::move(sending));
    }
    posts_.Wake();
  }
  if (!away.ok()) {
    Log(LogLevel::kWarning, "cannot read what webhooks are to be told",
        {{"call_id", call_id}, {"error", std::string(away.message())}});
  }
  return away.ok();
}

void WebhookDispatcher::Read(Sending& sending, const std::string& call_id, absl::Status& away) {
  const absl::Time last = sending.lease_end - settings_.posts.timeout;
  // Send says so.
  if (absl::Now() > last) return;
  // Where the event service is away, that is not asked again for each. Too late may be this entry alone.
  const bool ask = away.ok() || absl::IsDeadlineExceeded(away);
  auto post = ask ? PostOf(sending.begun, call_id, std::min(absl::Now() + settings_.read_timeout, last)) : away;
  if (post.ok()) {
    sending.post = *std::move(post);
    return;
  }
  const bool stopped = stop_reading_.stop_requested();
  if (IsAway(post.status())) away = post.status();
  sending.unsent = stopped || IsAway(post.status());
  sending.away = sending.unsent && !absl::IsDeadlineExceeded(post.status());
  sending.unread = !sending.unsent;
  sending.result.detail = stopped ? "Parley was stopped before it was sent"
                                  : absl::StrCat("not sent: the event service did not give the entry: ",
                                                 absl::StatusCodeToString(post.status().code()));
}

absl::StatusOr<Post> WebhookDispatcher::PostOf(const BegunAttempt& begun, const std::string& call_id,
                                               absl::Time deadline) {
  const WebhookDelivery& delivery = begun.delivery;
  PARLEY_ASSIGN_OR_RETURN(
      auto entry, events_.Find(delivery.event_id, delivery.sequence, call_id, deadline, stop_reading_.get_token()));
  v1::WebhookBody body;
  body.set_delivery(delivery.name());
  for (const Kind kind : delivery.kinds) body.add_kinds(kind);
  *body.mutable_log_entry() = std::move(entry.log_entry);
  *body.mutable_event() = std::move(entry.event);
  body.set_cursor(delivery.cursor);
  Post post;
  post.url = begun.url;
  if (!google::protobuf::util::MessageToJsonString(body, &post.body).ok()) {
    return Internal("the body of a delivery cannot be written as JSON");
  }
  const std::string id = DeliveryIdOf(delivery.webhook_id, delivery.event_id, delivery.sequence).ToString();
  const int64_t timestamp = absl::ToUnixSeconds(absl::Now());
  const std::string secret = key_.SecretOf(delivery.webhook_id);
  post.headers = {"content-type: application/json", absl::StrCat("webhook-id: ", id),
                  absl::StrCat("webhook-timestamp: ", timestamp),
                  absl::StrCat("webhook-signature: ", SignatureOf(secret, id, timestamp, post.body))};
  return post;
}

// ---- the thread that sends

void WebhookDispatcher::Run() {
  while (true) {
    auto [prepared, stop] = [this] {
      absl::MutexLock lock(&mutex_);
      return std::pair(std::exchange(prepared_, {}), all_begun_ ? stop_deadline_ : std::nullopt);
    }();
    Send(std::move(prepared));
    const absl::Time now = absl::Now();
    if (!ended_.empty() && now >= next_record_) {
      if (!RecordEnded()) next_record_ = now + kStepPause;
      absl::MutexLock lock(&mutex_);
      // Also once all were given up.
      unrecorded_ = !ended_.empty();
      // What was recorded made room, and what is behind it is due.
      if (!unrecorded_) claim_.Wake();
    }
    if (stop && (now >= *stop || (under_way_.empty() && ended_.empty()))) break;
    absl::Duration rest = ended_.empty() ? settings_.poll_interval : kStepPause;
    if (stop) rest = std::min(rest, *stop - now);
    for (auto& [id, result] : posts_.Run(std::max(rest, absl::ZeroDuration()))) {
      auto node = under_way_.extract(id);
      node.mapped().result = std::move(result);
      End(std::move(node.mapped()));
    }
  }
  for (const int64_t id : posts_.Abandon()) {
    auto node = under_way_.extract(id);
    node.mapped().result.detail = "Parley was stopped before there was an answer";
    node.mapped().unsent = true;
    End(std::move(node.mapped()));
  }
  if (!ended_.empty()) RecordEnded();
}

void WebhookDispatcher::Send(std::vector<Sending> prepared) {
  for (Sending& sending : prepared) {
    // Once the lease is up another may send it as well: whoever was held up for so long does not.
    if (sending.result.detail.empty() && absl::Now() + settings_.posts.timeout > sending.lease_end) {
      sending.unsent = sending.away = true;
      sending.result.detail = "not sent: too little was left of the lease";
    }
    if (!sending.result.detail.empty()) {
      End(std::move(sending));
      continue;
    }
    const int64_t id = ++last_id_;
    posts_.Begin(id, sending.post);
    under_way_.emplace(id, std::move(sending));
  }
}

void WebhookDispatcher::End(Sending sending) {
  absl::MutexLock lock(&mutex_);
  Receiver& receiver = receivers_[sending.begun.delivery.webhook_id];
  --receiver.under_way;
  const absl::Time now = absl::Now();
  if (sending.result.detail.empty()) {
    receiver.failures = 0;
    receiver.rest_until = absl::InfinitePast();
  } else if (!sending.unsent && !sending.unread && now >= receiver.rest_until) {
    const double doubled = std::exp2(std::min(receiver.failures++, 20));
    receiver.rest_until = now + std::min(settings_.first_rest * doubled, settings_.longest_rest);
  }
  ended_.push_back(std::move(sending));
}

bool WebhookDispatcher::RecordEnded() {
  std::vector<EndedAttempt> ended;
  for (const Sending& sending : ended_) {
    const WebhookDelivery& delivery = sending.begun.delivery;
    EndedAttempt& each = ended.emplace_back();
    each.webhook_id = delivery.webhook_id;
    each.event_id = delivery.event_id;
    each.sequence = delivery.sequence;
    each.attempt = sending.begun.attempt;
    each.delivered = sending.result.detail.empty();
    each.http_status = sending.result.http_status;
    each.detail = sending.result.detail;
    // While the event service is away no pause grows.
    each.counts = !sending.unsent;
    each.pause = RetryPause(settings_.retry_pause, sending.away ? 1 : sending.begun.counted, random_);
  }
  const auto recorded = data::Transact(pool_, StepDeadline(), [&](data::Transaction& tx) {
    return WebhookDeliveries(tx).Record(ended, settings_.retry_for);
  });
  if (recorded.ok()) {
    LogAttempts(ended, *recorded);
    ended_.clear();
    return true;
  }
  // Once the lease is up they are tried again by somebody.
  const auto lost = std::erase_if(ended_, [now = absl::Now()](const Sending& each) { return each.lease_end < now; });
  Log(lost > 0 ? LogLevel::kError : LogLevel::kWarning, "the ends of attempts for webhooks could not be recorded",
      {{"count", static_cast<int64_t>(ended.size())},
       {"given_up", static_cast<int64_t>(lost)},
       {"error", std::string(recorded.status().message())}});
  return false;
}

void WebhookDispatcher::LogAttempts(const std::vector<EndedAttempt>& ended,
                                    const std::vector<RecordedAttempt>& recorded) {
  std::map<std::tuple<Uuid, Uuid, int64_t>, WebhookDelivery::State> states;
  for (const RecordedAttempt& each : recorded) states[{each.webhook_id, each.event_id, each.sequence}] = each.state;
  for (const EndedAttempt& each : ended) {
    const auto state = states.find({each.webhook_id, each.event_id, each.sequence});
    Log(LogLevel::kInfo, "webhook attempt",
        {{"webhook", each.webhook_id.ToString()},
         {"event", each.event_id.ToString()},
         {"sequence", each.sequence},
         {"attempt", each.attempt},
         {"http_status", int64_t{each.http_status}},
         // Somebody else has begun another one meanwhile, or it is no more.
         {"state", state == states.end() ? "not ours" : v1::WebhookDelivery::State_Name(state->second)},
         {"detail", each.detail}});
  }
}

// ---- the thread that gives up what had no turn in time

absl::Duration WebhookDispatcher::ExpireSome() {
  const auto expired = data::Transact(pool_, StepDeadline(), [this](data::Transaction& tx) {
    return WebhookDeliveries(tx).ExpireSome(settings_.retry_for);
  });
  if (!expired.ok()) {
    Log(LogLevel::kWarning, "cannot give up late deliveries", {{"error", std::string(expired.status().message())}});
    return kExpireInterval;
  }
  if (*expired == 0) return kExpireInterval;
  Log(LogLevel::kInfo, "late deliveries have failed", {{"count", *expired}});
  return kExpirePause;
}

}  // namespace parley::notification
