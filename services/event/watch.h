// Watches: open streams that follow logs. One that is behind reads page by page, on threads that all watches share,
// each page once the reader has taken the one before. One that has caught up is fed by the feed of its kind
// (event_feed.h, log_feed.h), which reads what is new once for all. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "common/data/workers.h"
#include "common/rpc/stream.h"

namespace parley::event {

// Whether it says nothing of what was to be read: the database is away, or slow.
bool IsPassing(const absl::Status& status);
// As the reader of a stream is told: what passes is UNAVAILABLE.
absl::Status ForReader(const absl::Status& status);

// How many are told at once that there is nothing new: those that have begun together are not to cost the service a
// moment's time together for ever.
inline constexpr int kToldAtOnce = 500;

// A watch that is behind.
class PageReader {
 public:
  virtual ~PageReader() = default;
  virtual rpc::OpenStream& stream() = 0;
  // Reads what comes next, from the database. On a thread of Pages.
  virtual void ReadPage() = 0;
};

// The threads on which pages are read.
class Pages final : private data::Work {
 public:
  // `may_send`: whether the rights of callers are known well enough; while they are not, nothing is read.
  Pages(int threads, int capacity, std::function<bool()> may_send)
      : may_send_(std::move(may_send)), workers_(threads, capacity) {}

  void Submit(const std::shared_ptr<PageReader>& reader);
  // There may be sent again what could not.
  void Resume();

 private:
  class Page;
  size_t max_batch() const override { return 1; }
  void Run(absl::Span<data::Task* const> tasks, data::Turn&) override;

  const std::function<bool()> may_send_;
  absl::Mutex mutex_;
  std::vector<std::shared_ptr<PageReader>> held_back_ ABSL_GUARDED_BY(mutex_);
  data::Workers workers_;
};

template <class Response>
class Watch : public rpc::Stream<Response>, public PageReader, public std::enable_shared_from_this<Watch<Response>> {
 public:
  Watch(grpc::CallbackServerContext& context, rpc::Call call, const std::string& method, std::string cursor,
        Pages& pages, std::function<void(rpc::OpenStream&)> on_over)
      : rpc::Stream<Response>(context, std::move(call), method, std::move(cursor)),
        pages_(pages),
        on_over_(std::move(on_over)) {}

  // It is behind, at first or again: reads on as soon as all that waits was taken.
  void FallBehind() {
    is_behind_ = true;
    if (!this->is_waiting()) ReadOn();
  }

  rpc::OpenStream& stream() final { return *this; }

  void ReadPage() final {
    // A page may have been asked for twice, by the one before and by the reader who took it.
    if (is_behind_.exchange(false) && ReadNext()) is_behind_ = true;
    is_reading_ = false;
    if (!this->is_waiting()) ReadOn();
  }

 protected:
  // Sends the next page. False where it is behind no more: it has ended, or is fed.
  virtual bool ReadNext() = 0;

 private:
  void ReadOn() {
    if (is_behind_ && !is_reading_.exchange(true)) pages_.Submit(this->shared_from_this());
  }
  void OnIdle() final { ReadOn(); }
  void OnOver() final { on_over_(*this); }

  Pages& pages_;
  const std::function<void(rpc::OpenStream&)> on_over_;
  std::atomic<bool> is_behind_ = false;
  std::atomic<bool> is_reading_ = false;
};

}  // namespace parley::event
