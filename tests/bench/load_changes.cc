#include <algorithm>
#include <numeric>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "parley/event/v1/event_service.pb.h"
#include "tests/bench/load_kinds.h"
#include "tests/bench/load_slots.h"

namespace parley::bench {
namespace {

class Confirm final : public Kind {
 public:
  explicit Confirm(std::span<const KnownEvent> events)
      : Kind("/parley.event.v1.EventService/ConfirmEvent"), events_(events) {}

  absl::Status Ask(Call& call) override {
    call.event = random_() % events_.size();
    request_.set_name(events_[call.event].name);
    request_.set_etag(events_[call.event].etag);
    SetRequest(request_, call);
    return absl::OkStatus();
  }

  absl::Status Take(const Call& call) override {
    PARLEY_RETURN_IF_ERROR(GetAnswer(call, answer_));
    const KnownEvent& event = events_[call.event];
    const bool is_right = answer_.name() == event.name && answer_.etag() == event.etag &&
                          answer_.state() == event::v1::Event::OPEN && answer_.slots_size() == 3 &&
                          std::ranges::any_of(answer_.parties(), &event::v1::Party::confirmed);
    return is_right ? absl::OkStatus() : Wrong(answer_);
  }

 private:
  const std::span<const KnownEvent> events_;
  std::mt19937_64 random_{std::random_device()()};
  event::v1::ConfirmEventRequest request_;
  event::v1::Event answer_;
};

class Update final : public Kind {
 public:
  explicit Update(std::span<KnownEvent> events)
      : Kind("/parley.event.v1.EventService/UpdateEvent"), events_(events), free_(events.size()) {
    std::iota(free_.begin(), free_.end(), 0);
    request_.mutable_update_mask()->add_paths("slots");
  }

  absl::Status Ask(Call& call) override {
    if (free_.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "each of the ", events_.size(), " events has a call under way: there must be more events than calls"));
    }
    std::swap(free_[random_() % free_.size()], free_.back());
    call.event = free_.back();
    free_.pop_back();
    call.start = RandomStart(random_);
    event::v1::Event& event = *request_.mutable_event();
    event.set_name(events_[call.event].name);
    event.set_etag(events_[call.event].etag);
    event.clear_slots();
    AddSlots(call.start, event);
    SetRequest(request_, call);
    return absl::OkStatus();
  }

  absl::Status Take(const Call& call) override {
    free_.push_back(call.event);
    PARLEY_RETURN_IF_ERROR(GetAnswer(call, answer_));
    KnownEvent& event = events_[call.event];
    if (answer_.name() != event.name || answer_.etag().empty() || !HasSlots(call.start, answer_)) return Wrong(answer_);
    event.etag = answer_.etag();
    return absl::OkStatus();
  }

 private:
  const std::span<KnownEvent> events_;
  std::vector<size_t> free_;  // which no call is under way for
  std::mt19937_64 random_{std::random_device()()};
  event::v1::UpdateEventRequest request_;
  event::v1::Event answer_;
};

}  // namespace

std::unique_ptr<Kind> MakeConfirm(std::span<const KnownEvent> events) { return std::make_unique<Confirm>(events); }
std::unique_ptr<Kind> MakeUpdate(std::span<KnownEvent> events) { return std::make_unique<Update>(events); }

}  // namespace parley::bench
