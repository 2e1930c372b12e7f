#include "services/event/event_feed.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "common/access/access.h"
#include "common/log/log.h"
#include "common/rpc/resource_name.h"
#include "common/status/status.h"

namespace parley::event {
namespace {

// Of one event, for a watch that is behind, and for those that are fed.
constexpr int kPage = 100;
constexpr int kNewEntries = 10;
constexpr size_t kMaxPageBytes = 256 << 10;
// How often the database is asked what others have written.
constexpr absl::Duration kLook = absl::Milliseconds(400);
constexpr absl::Duration kReadTime = absl::Seconds(10);
// Of how many events new entries are read at once.
constexpr size_t kMaxEvents = 100;

std::shared_ptr<const v1::WatchEventResponse> MessageOf(Step step) {
  auto message = std::make_shared<v1::WatchEventResponse>();
  message->set_sequence(step.log_entry.sequence());
  *message->mutable_log_entry() = std::move(step.log_entry);
  *message->mutable_event() = std::move(step.event);
  return message;
}

std::shared_ptr<const v1::WatchEventResponse> Progress(int64_t sequence) {
  auto message = std::make_shared<v1::WatchEventResponse>();
  message->set_sequence(sequence);
  return message;
}

Uuid EventOf(const Step& step) { return rpc::ParseName(step.event.name(), "events").value_or(Uuid{}); }

// Services see all, and are users of nothing.
absl::Status CheckAccess(const rpc::Call& call, const Uuid& id, const data::Event* event) {
  if (call.principal.kind != rpc::Principal::Kind::kService) return CheckLogAccess(call, id, event);
  return event == nullptr ? NotFound(kEventType, "events/" + id.ToString()) : absl::OkStatus();
}

struct Page {
  std::vector<Step> steps;
  bool is_last = false;  // there is no more, for now
  bool is_gone = false;  // nor will there be: the event is deleted
};

}  // namespace

void EventFeed::Wrote(const Uuid& event_id) {
  {
    absl::MutexLock lock(&written_mutex_);
    if (!watched_ids_.contains(event_id)) return;
    written_.push_back(event_id);
  }
  chore_.Wake();
}

bool EventFeed::ReadPage(EventWatch& watch) {
  auto read = [&](data::Transaction& tx) -> absl::StatusOr<Page> {
    PARLEY_ASSIGN_OR_RETURN(const auto found, data::Events(tx).Find({watch.event_id_}));
    // Once the stream has begun, its caller's rights are looked at elsewhere: a guest is told of the deletion too.
    if (!watch.is_admitted_) {
      PARLEY_RETURN_IF_ERROR(CheckAccess(watch.call(), watch.event_id_, found.empty() ? nullptr : &found.front()));
    }
    if (watch.position_ > found.front().last_sequence) return CursorOutOfRange("after_sequence");
    PARLEY_ASSIGN_OR_RETURN(const auto entries, data::LogEntries(tx).List(watch.event_id_, watch.position_, kPage));
    PARLEY_ASSIGN_OR_RETURN(auto steps, watch.reader_->Read(tx, entries));
    return Page{std::move(steps), entries.size() < kPage, found.front().delete_time.has_value()};
  };
  auto page = data::Transact(pool_, absl::Now() + kReadTime, read, data::Isolation::kSnapshot);
  if (!page.ok()) {
    const absl::Status status = ForReader(page.status());
    watch.is_admitted_ ? watch.Cut(status) : watch.Refuse(status);
    return false;
  }
  watch.is_admitted_ = true;
  size_t bytes = 0;
  for (Step& step : page->steps) {
    const bool deleted = step.log_entry.data().deleted();
    auto message = MessageOf(std::move(step));
    watch.position_ = message->sequence();
    bytes += message->ByteSizeLong();
    if (!watch.Send(std::move(message))) {
      watch.Cut(ReaderTooSlow());
      return false;
    }
    if (deleted) {
      watch.End(absl::OkStatus());
      return false;
    }
    if (bytes > kMaxPageBytes) return true;
  }
  if (!page->is_last) return true;
  if (page->is_gone) {
    watch.End(absl::OkStatus());
    return false;
  }
  return !Join(watch);
}

bool EventFeed::Join(EventWatch& watch) {
  absl::MutexLock lock(&mutex_);
  // One that is over has left already.
  if (watch.is_ending()) return true;
  const auto [found, is_new] = watched_.try_emplace(watch.event_id_);
  Watched& watched = found->second;
  if (is_new) {
    watched.position = watch.position_;
    {
      absl::MutexLock written_lock(&written_mutex_);
      watched_ids_.insert(watch.event_id_);
    }
    // There may be more by now.
    SetStale(watch.event_id_);
    chore_.Wake();
  }
  if (watched.position > watch.position_) return false;
  watch.Send(Progress(watch.position_));
  watch.reader_.reset();
  watched.watches.push_back(std::static_pointer_cast<EventWatch>(watch.shared_from_this()));
  return true;
}

void EventFeed::Leave(const EventWatch& watch) {
  absl::MutexLock lock(&mutex_);
  const auto found = watched_.find(watch.event_id_);
  if (found == watched_.end()) return;
  std::erase_if(found->second.watches, [&watch](const auto& each) { return each.get() == &watch; });
  if (found->second.watches.empty()) Forget(watch.event_id_);
}

void EventFeed::Forget(const Uuid& event_id) {
  watched_.erase(event_id);
  absl::MutexLock lock(&written_mutex_);
  watched_ids_.erase(event_id);
}

void EventFeed::TellProgress(absl::Time since) {
  int left = kToldAtOnce;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, watched] : watched_) {
    for (const auto& watch : watched.watches) {
      if (watch->progress_time() >= since || watch->is_waiting()) continue;
      if (left-- == 0) return;
      watch->Send(Progress(watch->position_));
    }
  }
}

absl::Duration EventFeed::Run() {
  if (!may_send_()) return kLook;
  const absl::Status status = FeedSome();
  if (status.ok() == is_failing_) {
    is_failing_ = !status.ok();
    Log(is_failing_ ? LogLevel::kWarning : LogLevel::kInfo,
        is_failing_ ? "watches of events are not fed" : "watches of events are fed again",
        {{"error", std::string(status.message())}});
  }
  if (!status.ok()) return kLook;
  absl::MutexLock lock(&mutex_);
  return stale_.empty() ? look_time_ + kLook - absl::Now() : absl::ZeroDuration();
}

absl::Status EventFeed::FeedSome() {
  TakeWritten();
  PARLEY_RETURN_IF_ERROR(LookForOthers());
  const auto positions = TakeStale();
  absl::Status status = Feed(positions);
  if (status.ok() || IsPassing(status)) return status;
  // One log that cannot be read keeps no other waiting.
  for (const data::LogPosition& position : positions) {
    const absl::Status own = Feed({position});
    if (!own.ok() && !IsPassing(own)) CutAll(position.event_id, own);
  }
  return absl::OkStatus();
}

absl::Status EventFeed::LookForOthers() {
  const absl::Time now = absl::Now();
  if (now < look_time_ + kLook) return absl::OkStatus();
  std::vector<Uuid> ids;
  std::vector<int64_t> sequences;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, watched] : watched_) {
      ids.push_back(id);
      sequences.push_back(watched.position);
    }
  }
  look_time_ = now;
  if (ids.empty()) return absl::OkStatus();
  PARLEY_ASSIGN_OR_RETURN(const auto gone, data::Transact(pool_, now + kReadTime, [&](data::Transaction& tx) {
                            return data::Events(tx).GoneBeyond(ids, sequences);
                          }));
  absl::MutexLock lock(&mutex_);
  for (const Uuid& id : gone) SetStale(id);
  return absl::OkStatus();
}

void EventFeed::TakeWritten() {
  std::vector<Uuid> written;
  {
    absl::MutexLock lock(&written_mutex_);
    written.swap(written_);
  }
  absl::MutexLock lock(&mutex_);
  for (const Uuid& id : written) SetStale(id);
}

void EventFeed::SetStale(const Uuid& event_id) {
  const auto found = watched_.find(event_id);
  if (found != watched_.end() && !std::exchange(found->second.is_stale, true)) stale_.push_back(event_id);
}

std::vector<data::LogPosition> EventFeed::TakeStale() {
  std::vector<data::LogPosition> positions;
  absl::MutexLock lock(&mutex_);
  while (!stale_.empty() && positions.size() < kMaxEvents) {
    const auto found = watched_.find(stale_.front());
    stale_.pop_front();
    if (found == watched_.end() || !std::exchange(found->second.is_stale, false)) continue;
    positions.push_back({found->first, found->second.position});
  }
  return positions;
}

absl::Status EventFeed::Feed(const std::vector<data::LogPosition>& positions) {
  if (positions.empty()) return absl::OkStatus();
  auto read = [&](data::Transaction& tx) -> absl::StatusOr<std::vector<Step>> {
    PARLEY_ASSIGN_OR_RETURN(const auto entries, data::LogEntries(tx).ListBehind(positions, kNewEntries));
    return reader_.Read(tx, entries);
  };
  auto steps = data::Transact(pool_, absl::Now() + kReadTime, read, data::Isolation::kSnapshot);
  absl::MutexLock lock(&mutex_);
  if (!steps.ok()) {
    for (const data::LogPosition& position : positions) SetStale(position.event_id);
    return steps.status();
  }
  absl::flat_hash_map<Uuid, int> counts;
  for (size_t i = 0; i < steps->size(); ++i) {
    const auto id = EventOf((*steps)[i]);
    Publish(id, std::move((*steps)[i]));
    if (++counts[id] == kNewEntries) SetStale(id);
  }
  return absl::OkStatus();
}

void EventFeed::Publish(const Uuid& event_id, Step step) {
  const auto found = watched_.find(event_id);
  if (found == watched_.end()) return;
  Watched& watched = found->second;
  const int64_t sequence = step.log_entry.sequence();
  // All its watches may have left meanwhile, and others have come.
  if (sequence != watched.position + 1) {
    if (sequence > watched.position) SetStale(event_id);
    return;
  }
  watched.position = sequence;
  const bool deleted = step.log_entry.data().deleted();
  const auto message = MessageOf(std::move(step));
  for (const auto& watch : watched.watches) {
    if (watch->position_ >= sequence) continue;
    watch->position_ = sequence;
    if (!watch->Send(message)) {
      watch->Cut(ReaderTooSlow());
    } else if (deleted) {
      watch->End(absl::OkStatus());
    }
  }
  if (deleted) Forget(event_id);
}

void EventFeed::CutAll(const Uuid& event_id, const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  const auto found = watched_.find(event_id);
  if (found == watched_.end()) return;
  for (const auto& watch : found->second.watches) watch->Cut(status);
  Forget(event_id);
}

}  // namespace parley::event
