#include <random>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "parley/event/v1/event_service.pb.h"
#include "parley/token/v1/token_service.pb.h"
#include "tests/bench/load_kinds.h"
#include "tests/bench/load_slots.h"

namespace parley::bench {
namespace {

std::string AddressOf(int64_t user) { return absl::StrCat("user-", user, "@example.com"); }

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

}  // namespace

std::unique_ptr<Kind> MakeWhoAmI(std::string& address) { return std::make_unique<WhoAmI>(address); }
std::unique_ptr<Kind> MakeCreate(const std::string& caller, int users, std::vector<KnownEvent>* made) {
  return std::make_unique<Create>(caller, users, made);
}

}  // namespace parley::bench
