#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "parley/event/v1/event_service.pb.h"
#include "tests/bench/load_kinds.h"

namespace parley::bench {
namespace {

constexpr int kPageSize = 50;

class Get final : public Kind {
 public:
  explicit Get(std::span<const KnownEvent> events) : Kind("/parley.event.v1.EventService/GetEvent"), events_(events) {}

  absl::Status Ask(Call& call) override {
    call.event = random_() % events_.size();
    request_.set_name(events_[call.event].name);
    SetRequest(request_, call);
    return absl::OkStatus();
  }

  absl::Status Take(const Call& call) override {
    PARLEY_RETURN_IF_ERROR(GetAnswer(call, answer_));
    const bool is_right = answer_.name() == events_[call.event].name && answer_.parties_size() == 3 &&
                          answer_.slots_size() == 3 && answer_.etag() == events_[call.event].etag;
    return is_right ? absl::OkStatus() : Wrong(answer_);
  }

 private:
  const std::span<const KnownEvent> events_;
  std::mt19937_64 random_{std::random_device()()};
  event::v1::GetEventRequest request_;
  event::v1::Event answer_;
};

class List final : public Kind {
 public:
  List(std::span<const KnownEvent> events, int entries)
      : Kind("/parley.event.v1.EventService/ListLogEntries"),
        events_(events),
        least_(entries == 0 ? 1 : std::min(entries, kPageSize)),
        most_(entries == 0 ? kPageSize : least_) {
    request_.set_page_size(kPageSize);
  }

  absl::Status Ask(Call& call) override {
    call.event = random_() % events_.size();
    request_.set_parent(events_[call.event].name);
    SetRequest(request_, call);
    return absl::OkStatus();
  }

  absl::Status Take(const Call& call) override {
    PARLEY_RETURN_IF_ERROR(GetAnswer(call, answer_));
    if (answer_.log_entries_size() < least_ || answer_.log_entries_size() > most_) return Wrong(answer_);
    name_ = events_[call.event].name + "/logEntries/";
    const size_t parent_size = name_.size();
    for (int i = 0; i < answer_.log_entries_size(); ++i) {
      name_.resize(parent_size);
      absl::StrAppend(&name_, i + 1);
      const event::v1::LogEntry& entry = answer_.log_entries(i);
      if (entry.sequence() != i + 1 || entry.name() != name_) return Wrong(answer_);
    }
    return absl::OkStatus();
  }

 private:
  const std::span<const KnownEvent> events_;
  const int least_, most_;
  std::mt19937_64 random_{std::random_device()()};
  event::v1::ListLogEntriesRequest request_;
  event::v1::ListLogEntriesResponse answer_;
  std::string name_;
};

}  // namespace

std::unique_ptr<Kind> MakeGet(std::span<const KnownEvent> events) { return std::make_unique<Get>(events); }
std::unique_ptr<Kind> MakeList(std::span<const KnownEvent> events, int entries) {
  return std::make_unique<List>(events, entries);
}

}  // namespace parley::bench
