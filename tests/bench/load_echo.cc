#include <random>

#include "common/status/status.h"
#include "tests/bench/echo.pb.h"
#include "tests/bench/load_kinds.h"

namespace parley::bench {
namespace {

class EchoKind final : public Kind {
 public:
  EchoKind() : Kind("/parley.bench.v1.EchoService/Echo") {
    request_.mutable_payload()->resize(100);
    for (char& each : *request_.mutable_payload()) each = static_cast<char>(random_());
  }

  absl::Status Ask(Call& call) override {
    // Another one each time: enough of it that an answer to another call would be found out.
    const uint64_t random = random_();
    request_.mutable_payload()->replace(0, sizeof(random), reinterpret_cast<const char*>(&random), sizeof(random));
    SetRequest(request_, call);
    return absl::OkStatus();
  }

  absl::Status Take(const Call& call) override {
    PARLEY_RETURN_IF_ERROR(GetAnswer(call, answer_));
    return call.reply == call.request ? absl::OkStatus() : Wrong(answer_);
  }

 private:
  std::mt19937_64 random_{std::random_device()()};
  v1::EchoMessage request_;
  v1::EchoMessage answer_;
};

}  // namespace

std::unique_ptr<Kind> MakeEcho() { return std::make_unique<EchoKind>(); }

}  // namespace parley::bench
