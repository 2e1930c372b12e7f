#include "services/event/watches.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/access/access.h"
#include "common/log/log.h"
#include "common/rpc/resource_name.h"
#include "common/status/status.h"

namespace parley::event {
namespace {

const std::string kWatchEvent = "/parley.event.v1.EventService/WatchEvent";
const std::string kWatchEvents = "/parley.event.v1.EventService/WatchEvents";

constexpr char kSelf[] = "the event service";

// So that what was revoked ends within a second, whenever it was looked at last.
constexpr absl::Duration kTend = absl::Milliseconds(400);
constexpr absl::Duration kCheckTime = absl::Seconds(1);
// Nothing is sent to callers of whom nobody knows for as long whether they may.
constexpr absl::Duration kRightsLifetime = absl::Seconds(1);
// And they are sent away after this.
constexpr absl::Duration kRightsPatience = absl::Seconds(10);
constexpr absl::Duration kLimitPause = absl::Seconds(10);
// As many as services may have that are behind, beside those of users.
constexpr int kServiceWatches = 100;

// A service of ours, which webhooks need, or a user.
absl::Status CheckCaller(const rpc::Call& call) {
  return call.principal.kind == rpc::Principal::Kind::kService ? absl::OkStatus() : CheckUser(call);
}

absl::StatusOr<Uuid> ParseWatch(const rpc::Call& call, const v1::WatchEventRequest& request) {
  PARLEY_RETURN_IF_ERROR(CheckCaller(call));
  FieldViolations fields;
  const auto id = rpc::ParseName(request.name(), "events");
  if (!id) fields.Add("name", "must be events/{event} with the event's id");
  if (request.after_sequence() < 0) fields.Add("after_sequence", "must not be negative");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return *id;
}

absl::StatusOr<LogQuery> ParseWatch(const rpc::Call& call, const v1::WatchEventsRequest& request) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  LogQuery query;
  if (!request.cursor().empty()) {
    query.from = data::DecodeLogCursor(request.cursor());
    if (!query.from)
      fields.Add("cursor", "must be a cursor, as messages of WatchEvents, webhooks and deliveries bring it");
    if (request.only_new()) fields.Add("only_new", "must not be set where there is a cursor");
  } else if (!request.only_new()) {
    query.from = data::LogCursor();
  }
  std::set<data::LogEntry::Occurrence> occurrences;
  for (int i = 0; i < request.occurrences_size(); ++i) {
    const auto occurrence = request.occurrences(i);
    if (!v1::LogEntry::Occurrence_IsValid(occurrence) || occurrence == v1::LogEntry::OCCURRENCE_UNSPECIFIED) {
      fields.Add(absl::StrCat("occurrences[", i, "]"), "must be UPDATE, NOTIFY or VIEW");
    }
    occurrences.insert(request.occurrences(i));
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  if (occurrences.empty()) occurrences = {v1::LogEntry::UPDATE, v1::LogEntry::NOTIFY, v1::LogEntry::VIEW};
  query.occurrences.assign(occurrences.begin(), occurrences.end());
  PARLEY_RETURN_IF_ERROR(CheckMember(call));
  if (!IsStaff(call)) query.party = call.principal.user_id;
  return query;
}

bool IsSame(const rpc::Principal& a, const rpc::Principal& b) {
  return a.credential_id == b.credential_id && a.user_id == b.user_id && a.staff == b.staff &&
         a.acting_id == b.acting_id;
}

bool ComesBefore(const rpc::Principal& a, const rpc::Principal& b) {
  return std::tie(a.credential_id, a.user_id, a.staff, a.acting_id) <
         std::tie(b.credential_id, b.user_id, b.staff, b.acting_id);
}

}  // namespace

Watches::Watches(const WatchSettings& settings, data::Pool& pool, rpc::CallQueue& queue, const CallerCheck& check)
    : settings_(settings),
      queue_(queue),
      check_(check),
      event_feed_(pool, [this] { return MaySend(); }),
      log_feed_(pool, [this] { return MaySend(); }),
      pages_(settings.threads, settings.max_watches + kServiceWatches, [this] { return MaySend(); }) {}

// First those who ask for pages, then those who read them.
Watches::~Watches() {
  tend_.Stop();
  event_feed_.Stop();
  log_feed_.Stop();
}

void Watches::Start() {
  event_feed_.Start();
  log_feed_.Start();
  tend_.Start();
}

template <class Watch>
auto Watches::Open(const std::shared_ptr<Watch>& watch, absl::Status status) {
  auto* reactor = watch->Begin(watch);
  if (status.ok()) status = Register(watch);
  if (status.ok()) {
    watch->FallBehind();
  } else {
    watch->Refuse(status);
  }
  return reactor;
}

grpc::ServerWriteReactor<v1::WatchEventResponse>* Watches::WatchEvent(grpc::CallbackServerContext& context,
                                                                      const v1::WatchEventRequest& request) {
  const auto call = rpc::CallOf(context, kWatchEvent, queue_);
  const auto id = call.ok() ? ParseWatch(*call, request) : call.status();
  auto on_over = [this](rpc::OpenStream& watch) {
    event_feed_.Leave(static_cast<EventWatch&>(watch));
    Forget(watch);
  };
  const auto watch =
      std::make_shared<EventWatch>(context, call.ok() ? *call : rpc::Call{}, kWatchEvent, pages_, std::move(on_over),
                                   event_feed_, id.ok() ? *id : Uuid{}, request.after_sequence());
  return Open(watch, id.status());
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* Watches::WatchEvents(grpc::CallbackServerContext& context,
                                                                        const v1::WatchEventsRequest& request) {
  const auto call = rpc::CallOf(context, kWatchEvents, queue_);
  const auto query = call.ok() ? ParseWatch(*call, request) : call.status();
  auto on_over = [this](rpc::OpenStream& watch) {
    log_feed_.Leave(static_cast<LogWatch&>(watch));
    Forget(watch);
  };
  const auto watch = std::make_shared<LogWatch>(context, call.ok() ? *call : rpc::Call{}, kWatchEvents, pages_,
                                                std::move(on_over), log_feed_, query.ok() ? *query : LogQuery{});
  return Open(watch, query.status());
}

absl::Status Watches::Register(const std::shared_ptr<rpc::OpenStream>& watch) {
  const rpc::Principal& caller = watch->call().principal;
  absl::MutexLock lock(&mutex_);
  if (is_draining_) return Stopping(kSelf);
  // Services have few, which webhooks need.
  if (caller.kind == rpc::Principal::Kind::kUser) {
    if (of_users_ >= settings_.max_watches) {
      return RateLimited("there are as many watches as there may be", kLimitPause);
    }
    int& count = of_caller_[{caller.credential_id, caller.user_id}];
    if (count >= settings_.max_watches_of_caller) {
      return RateLimited(absl::StrCat("a caller may have ", settings_.max_watches_of_caller, " watches at once"),
                         kLimitPause);
    }
    ++count;
    ++of_users_;
  }
  open_.emplace(watch.get(), watch);
  return absl::OkStatus();
}

void Watches::Forget(const rpc::OpenStream& watch) {
  std::shared_ptr<rpc::OpenStream> last;  // is not to end under the lock
  absl::MutexLock lock(&mutex_);
  const auto found = open_.find(&watch);
  if (found == open_.end()) return;
  last = std::move(found->second);
  open_.erase(found);
  const rpc::Principal& caller = watch.call().principal;
  if (caller.kind != rpc::Principal::Kind::kUser) return;
  --of_users_;
  const auto of_caller = of_caller_.find({caller.credential_id, caller.user_id});
  if (--of_caller->second == 0) of_caller_.erase(of_caller);
}

std::vector<std::shared_ptr<rpc::OpenStream>> Watches::Opened() {
  std::vector<std::shared_ptr<rpc::OpenStream>> watches;
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, watch] : open_) watches.push_back(watch);
  return watches;
}

void Watches::Drain() {
  {
    absl::MutexLock lock(&mutex_);
    is_draining_ = true;
  }
  for (const auto& watch : Opened()) watch->Cut(Stopping(kSelf));
}

bool Watches::MaySend() {
  absl::MutexLock lock(&mutex_);
  return absl::Now() < rights_time_ + kRightsLifetime;
}

absl::Duration Watches::Tend() {
  const absl::Time start = absl::Now();
  const auto watches = Opened();
  SendSlowAway(watches, start);
  event_feed_.TellProgress(start - settings_.progress);
  log_feed_.TellProgress(start - settings_.progress);
  CheckRights(watches, start);
  return start + kTend - absl::Now();
}

void Watches::SendSlowAway(const std::vector<std::shared_ptr<rpc::OpenStream>>& watches, absl::Time now) const {
  for (const auto& watch : watches) {
    if (!watch->is_waiting() || watch->progress_time() + settings_.slow_reader > now) continue;
    if (watch->is_ending()) {
      watch->Abort();
    } else {
      watch->Cut(ReaderTooSlow());
    }
  }
}

void Watches::CheckRights(const std::vector<std::shared_ptr<rpc::OpenStream>>& watches, absl::Time now) {
  std::vector<rpc::Principal> callers;
  for (const auto& watch : watches) {
    const rpc::Principal& caller = watch->call().principal;
    if (caller.kind == rpc::Principal::Kind::kUser) callers.push_back(caller);
  }
  std::ranges::sort(callers, ComesBefore);
  callers.erase(std::unique(callers.begin(), callers.end(), IsSame), callers.end());
  const auto verdicts = check_.Check(callers, absl::Now() + kCheckTime);
  absl::Time rights_time;
  {
    absl::MutexLock lock(&mutex_);
    if (verdicts.ok()) rights_time_ = now;
    rights_time = rights_time_;
  }
  if (!verdicts.ok()) {
    if (now < rights_time + kRightsPatience) return;
    for (const auto& watch : watches) watch->Cut(Unavailable("the token service"));
    return;
  }
  for (const auto& watch : watches) {
    const rpc::Principal& caller = watch->call().principal;
    if (caller.kind != rpc::Principal::Kind::kUser) continue;
    const auto found = std::ranges::lower_bound(callers, caller, ComesBefore);
    const absl::Status& verdict = (*verdicts)[found - callers.begin()];
    if (!verdict.ok()) watch->Cut(verdict);
  }
  pages_.Resume();
}

}  // namespace parley::event
