#include "services/event/log_feed.h"

#include <algorithm>
#include <set>

#include "absl/time/clock.h"
#include "common/data/log_tree.h"
#include "common/log/log.h"
#include "common/status/status.h"

namespace parley::event {
namespace {

// Of how many leaves the entries are looked at, and how many of these are told, at once.
constexpr int64_t kWindow = 2000;
constexpr int kPage = 200;
constexpr size_t kMaxPageBytes = 256 << 10;
constexpr absl::Duration kLook = absl::Milliseconds(250);
constexpr absl::Duration kTellScanning = absl::Seconds(1);
constexpr absl::Duration kReadTime = absl::Seconds(10);

using Message = std::shared_ptr<const v1::WatchEventsResponse>;

// What stands in the tree from a cursor on.
struct Page {
  struct Placed {
    int64_t leaf_index;
    std::vector<Uuid> party_ids;
    Message message;
  };
  std::vector<Placed> placed;
  data::LogCursor end;   // behind all that was looked at
  bool is_last = false;  // there is no more, for now
};

Message Progress(const data::LogCursor& cursor) {
  auto message = std::make_shared<v1::WatchEventsResponse>();
  message->set_cursor(Encode(cursor));
  return message;
}

absl::StatusOr<Page> ReadFrom(data::Transaction& tx, StepReader& reader, const data::LogCursor& from,
                              const std::vector<data::LogEntry::Occurrence>& occurrences,
                              const std::optional<std::vector<Uuid>>& parties) {
  PARLEY_RETURN_IF_ERROR(data::CheckLogCursor(tx, from));
  const data::LogTree tree(tx);
  PARLEY_ASSIGN_OR_RETURN(const int64_t count, tree.CountLeaves());
  const int64_t end = std::min(count, from.position + kWindow);
  Page page{{}, from, end == count};
  if (end == from.position) return page;
  PARLEY_ASSIGN_OR_RETURN(auto placed,
                          data::LogEntries(tx).ListPlaced(from.position, end, occurrences, parties, kPage));
  std::vector<data::LogEntry> entries;
  for (data::PlacedEntry& each : placed) entries.push_back(std::move(each.entry));
  PARLEY_ASSIGN_OR_RETURN(auto steps, reader.Read(tx, entries));
  size_t bytes = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    page.end = data::LogCursor::Behind(placed[i].leaf_index, entries[i].hash);
    auto message = std::make_shared<v1::WatchEventsResponse>();
    *message->mutable_log_entry() = std::move(steps[i].log_entry);
    *message->mutable_event() = std::move(steps[i].event);
    message->set_cursor(Encode(page.end));
    bytes += message->ByteSizeLong();
    page.placed.push_back({placed[i].leaf_index, std::move(steps[i].party_ids), std::move(message)});
    if (bytes > kMaxPageBytes) break;
  }
  if (page.placed.size() < placed.size() || placed.size() == kPage) {
    page.is_last = page.end.position == count;
    return page;
  }
  if (page.end.position < end) {
    PARLEY_ASSIGN_OR_RETURN(const auto hash, tree.LeafHash(end - 1));
    if (!hash) return Internal("the tree of the log has lost a leaf");
    page.end = data::LogCursor::Behind(end - 1, *hash);
  }
  return page;
}

}  // namespace

bool LogFeed::ReadPage(LogWatch& watch) {
  auto read = [&](data::Transaction& tx) -> absl::StatusOr<Page> {
    if (!watch.has_begun_ && !watch.query_.from) {
      PARLEY_ASSIGN_OR_RETURN(const data::LogCursor end, data::EndOfLog(tx));
      return Page{{}, end, true};
    }
    if (!watch.reader_) watch.reader_ = std::make_unique<StepReader>(LogWatch::kMaxStates);
    std::optional<std::vector<Uuid>> parties;
    if (watch.query_.party) parties = {*watch.query_.party};
    return ReadFrom(tx, *watch.reader_, watch.position_, watch.query_.occurrences, parties);
  };
  auto page = data::Transact(pool_, absl::Now() + kReadTime, read, data::Isolation::kSnapshot);
  if (!page.ok()) {
    const absl::Status status = ForReader(page.status());
    watch.has_begun_ ? watch.Cut(status) : watch.Refuse(status);
    return false;
  }
  watch.has_begun_ = true;
  watch.position_ = page->end;
  for (Page::Placed& placed : page->placed) {
    if (watch.Send(std::move(placed.message))) continue;
    watch.Cut(ReaderTooSlow());
    return false;
  }
  // Who looks for little in a long log is told how far that is.
  if (page->placed.empty() && !page->is_last && watch.progress_time() < absl::Now() - kTellScanning) {
    watch.Send(Progress(page->end));
  }
  if (!page->is_last) return true;
  Join(watch);
  return false;
}

void LogFeed::Join(LogWatch& watch) {
  absl::MutexLock lock(&mutex_);
  // One that is over has left already.
  if (watch.is_ending()) return;
  watch.Send(Progress(watch.position_));
  watch.reader_.reset();
  joining_.push_back(std::static_pointer_cast<LogWatch>(watch.shared_from_this()));
}

std::optional<data::LogCursor> LogFeed::AdmitJoining() {
  std::vector<std::shared_ptr<LogWatch>> behind;
  std::optional<data::LogCursor> from;
  {
    absl::MutexLock lock(&mutex_);
    if (of_all_.empty() && of_party_.empty() && !joining_.empty()) {
      cursor_ = (*std::ranges::min_element(joining_, {}, [](const auto& watch) {
                  return watch->position_.position;
                }))->position_;
    }
    for (auto& watch : joining_) {
      if (watch->position_.position < cursor_.position) {
        behind.push_back(std::move(watch));
      } else {
        auto& watches = watch->query_.party ? of_party_[*watch->query_.party] : of_all_;
        watches.push_back(std::move(watch));
      }
    }
    joining_.clear();
    if (!of_all_.empty() || !of_party_.empty()) from = cursor_;
  }
  for (const auto& watch : behind) watch->FallBehind();
  return from;
}

void LogFeed::Leave(const LogWatch& watch) {
  absl::MutexLock lock(&mutex_);
  auto leave = [&watch](auto& watches) {
    std::erase_if(watches, [&watch](const auto& each) { return each.get() == &watch; });
    return watches.empty();
  };
  leave(joining_);
  if (!watch.query_.party) {
    leave(of_all_);
  } else if (const auto found = of_party_.find(*watch.query_.party); found != of_party_.end()) {
    if (leave(found->second)) of_party_.erase(found);
  }
}

void LogFeed::TellProgress(absl::Time since) {
  int left = kToldAtOnce;
  absl::MutexLock lock(&mutex_);
  const Message progress = Progress(cursor_);
  auto tell = [&](const auto& watches) {
    for (const auto& watch : watches) {
      if (watch->progress_time() >= since || watch->is_waiting()) continue;
      if (left-- <= 0) return;
      // One may have read further than the feed.
      watch->Send(watch->position_.position > cursor_.position ? Progress(watch->position_) : progress);
    }
  };
  tell(of_all_);
  for (const auto& [party, watches] : of_party_) tell(watches);
}

absl::Duration LogFeed::Run() {
  if (!may_send_()) return kLook;
  const auto from = AdmitJoining();
  if (!from) return kLook;
  const auto more = FeedSome(*from);
  if (more.ok() == is_failing_) {
    is_failing_ = !more.ok();
    Log(is_failing_ ? LogLevel::kWarning : LogLevel::kInfo,
        is_failing_ ? "watches of all events are not fed" : "watches of all events are fed again",
        {{"error", std::string(more.status().message())}});
  }
  // Each finds out for itself: an entry that cannot be read concerns those alone who are to be told of it.
  if (!more.ok() && !IsPassing(more.status())) FallBehind();
  return more.ok() && *more ? absl::ZeroDuration() : kLook;
}

LogFeed::Wanted LogFeed::WantedNow() {
  Wanted wanted;
  std::set<data::LogEntry::Occurrence> occurrences;
  absl::MutexLock lock(&mutex_);
  if (of_all_.empty()) wanted.parties.emplace();
  for (const auto& watch : of_all_)
    occurrences.insert(watch->query_.occurrences.begin(), watch->query_.occurrences.end());
  for (const auto& [party, watches] : of_party_) {
    if (wanted.parties) wanted.parties->push_back(party);
    for (const auto& watch : watches) {
      occurrences.insert(watch->query_.occurrences.begin(), watch->query_.occurrences.end());
    }
  }
  wanted.occurrences.assign(occurrences.begin(), occurrences.end());
  return wanted;
}

absl::StatusOr<bool> LogFeed::FeedSome(const data::LogCursor& from) {
  const Wanted wanted = WantedNow();
  auto read = [&](data::Transaction& tx) { return ReadFrom(tx, reader_, from, wanted.occurrences, wanted.parties); };
  PARLEY_ASSIGN_OR_RETURN(const Page page,
                          data::Transact(pool_, absl::Now() + kReadTime, read, data::Isolation::kSnapshot));
  absl::MutexLock lock(&mutex_);
  for (const Page::Placed& placed : page.placed) {
    const auto occurrence = placed.message->log_entry().occurrence();
    auto send = [&](const auto& watches) {
      for (const auto& watch : watches) {
        if (watch->position_.position > placed.leaf_index) continue;
        if (std::ranges::find(watch->query_.occurrences, occurrence) == watch->query_.occurrences.end()) continue;
        if (!watch->Send(placed.message)) watch->Cut(ReaderTooSlow());
      }
    };
    send(of_all_);
    for (const Uuid& party : placed.party_ids) {
      if (const auto found = of_party_.find(party); found != of_party_.end()) send(found->second);
    }
  }
  cursor_ = page.end;
  return !page.is_last;
}

void LogFeed::FallBehind() {
  std::vector<std::shared_ptr<LogWatch>> watches;
  {
    absl::MutexLock lock(&mutex_);
    watches.swap(of_all_);
    for (auto& [party, of_party] : of_party_) {
      for (auto& watch : of_party) watches.push_back(std::move(watch));
    }
    of_party_.clear();
    for (const auto& watch : watches) {
      if (watch->position_.position < cursor_.position) watch->position_ = cursor_;
    }
  }
  for (const auto& watch : watches) watch->FallBehind();
}

}  // namespace parley::event
