#include "tests/bench/load_kinds.h"

#include <algorithm>
#include <ctime>
#include <numeric>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "parley/event/v1/event_service.pb.h"
#include "parley/token/v1/token_service.pb.h"

namespace parley::bench {
namespace {

constexpr int64_t kDay = 86400;
constexpr int kPageSize = 50;

absl::Status Wrong(const google::protobuf::Message& answer) {
  return absl::DataLossError(absl::StrCat("not what was asked for: ", answer.ShortDebugString()));
}

std::string AddressOf(int64_t user) { return absl::StrCat("user-", user, "@example.com"); }

// One of as many that hardly ever two calls ask for the same.
int64_t RandomStart(std::mt19937_64& random) {
  static const int64_t today = std::time(nullptr) / kDay;
  return (today + 1 + static_cast<int64_t>(random() % 300)) * kDay + static_cast<int64_t>(random() % 1440) * 60;
}

// An hour of each of three days.
void AddSlots(int64_t start, event::v1::Event& event) {
  for (int64_t day = 0; day < 3; ++day) {
    event::v1::Slot& slot = *event.add_slots();
    slot.mutable_start_time()->set_seconds(start + day * kDay);
    slot.mutable_duration()->set_seconds(3600);
  }
}

bool HasSlots(int64_t start, const event::v1::Event& event) {
  for (const event::v1::Slot& slot : event.slots()) {
    if (slot.start_time().seconds() != start || slot.duration().seconds() != 3600) return false;
    start += kDay;
  }
  return event.slots_size() == 3;
}

class WhoAmI final : public Kind {
 public:
  explicit WhoAmI(std::string& address) : Kind("/parley.token.v1.TokenService/GetUser"), address_(address) {}

  absl::Status Ask(Call& call) override {
    token::v1::GetUserRequest request;
    request.set_name("users/self");
    SetRequest(request, call);
    return absl::OkStatus();
  }

  absl::Status Take(const Call& call) override {
    token::v1::User user;
    PARLEY_RETURN_IF_ERROR(GetAnswer(call, user));
    address_ = user.address();
    return address_.empty() ? Wrong(user) : absl::OkStatus();
  }

 private:
  std::string& address_;
};

class Create final : public Kind {
 public:
  Create(const std::string& caller, int users, std::vector<KnownEvent>* made)
      : Kind("/parley.event.v1.EventService/CreateEvent"), users_(users), made_(made) {
    event::v1::Event& event = *request_.mutable_event();
    event.set_title("Planning of the next quarter");
    event.add_parties()->set_address(caller);
    event.add_parties();
    event.add_parties();
  }

  absl::Status Ask(Call& call) override {
    call.second = made_ != nullptr ? 2 * number_++ % users_ : static_cast<int64_t>(random_() % users_);
    const auto step = made_ != nullptr ? 1 : static_cast<int64_t>(1 + random_() % (users_ - 1));
    call.third = (call.second + step) % users_;
    call.start = RandomStart(random_);
    event::v1::Event& event = *request_.mutable_event();
    event.mutable_parties(1)->set_address(AddressOf(call.second));
    event.mutable_parties(2)->set_address(AddressOf(call.third));
    event.clear_slots();
    AddSlots(call.start, event);
    SetRequest(request_, call);
    return absl::OkStatus();
  }

  absl::Status Take(const Call& call) override {
    PARLEY_RETURN_IF_ERROR(GetAnswer(call, answer_));
    const event::v1::Event& asked = request_.event();
    const bool is_right = answer_.name().starts_with("events/") && !answer_.etag().empty() &&
                          answer_.title() == asked.title() && answer_.parties_size() == 3 &&
                          answer_.parties(0).address() == asked.parties(0).address() &&
                          answer_.parties(1).address() == AddressOf(call.second) &&
                          answer_.parties(2).address() == AddressOf(call.third) && HasSlots(call.start, answer_);
    if (!is_right) return Wrong(answer_);
    if (made_ != nullptr) made_->push_back({answer_.name(), answer_.etag()});
    return absl::OkStatus();
  }

 private:
  const int64_t users_;
  std::vector<KnownEvent>* const made_;
  int64_t number_ = 0;
  std::mt19937_64 random_{std::random_device()()};
  event::v1::CreateEventRequest request_;
  event::v1::Event answer_;
};

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
                          answer_.slots_size() == 3 && !answer_.etag().empty();
    return is_right ? absl::OkStatus() : Wrong(answer_);
  }

 private:
  const std::span<const KnownEvent> events_;
  std::mt19937_64 random_{std::random_device()()};
  event::v1::GetEventRequest request_;
  event::v1::Event answer_;
};

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

std::unique_ptr<Kind> MakeWhoAmI(std::string& address) { return std::make_unique<WhoAmI>(address); }
std::unique_ptr<Kind> MakeCreate(const std::string& caller, int users, std::vector<KnownEvent>* made) {
  return std::make_unique<Create>(caller, users, made);
}
std::unique_ptr<Kind> MakeGet(std::span<const KnownEvent> events) { return std::make_unique<Get>(events); }
std::unique_ptr<Kind> MakeConfirm(std::span<const KnownEvent> events) { return std::make_unique<Confirm>(events); }
std::unique_ptr<Kind> MakeList(std::span<const KnownEvent> events, int entries) {
  return std::make_unique<List>(events, entries);
}
std::unique_ptr<Kind> MakeUpdate(std::span<KnownEvent> events) { return std::make_unique<Update>(events); }

}  // namespace parley::bench
