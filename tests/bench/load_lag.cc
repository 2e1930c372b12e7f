#include "tests/bench/load_lag.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/rpc/channel.h"
#include "parley/event/v1/event_service.grpc.pb.h"
#include "parley/event/v1/log_service.grpc.pb.h"

namespace parley::bench {
namespace {

using Clock = std::chrono::steady_clock;

// An entry that is in no checkpoint by then never will be.
constexpr std::chrono::seconds kPatience(30);

void Prepare(grpc::ClientContext& context, const LagSettings& settings) {
  context.AddMetadata("authorization", absl::StrCat("Bearer ", settings.key));
  // A call that hangs is an error.
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
}

}  // namespace

int RunLag(const LagSettings& settings) {
  const auto channel = rpc::MakeChannel(settings.gateway);
  const auto events = event::v1::EventService::NewStub(channel);
  const auto logs = event::v1::LogService::NewStub(channel);
  const auto end = Clock::now() + std::chrono::duration<double>(settings.seconds);
  std::vector<double> milliseconds;
  while (Clock::now() < end) {
    // The caller is added as a party.
    event::v1::CreateEventRequest create;
    create.mutable_event()->set_title("proved");
    event::v1::Event event;
    grpc::ClientContext create_context;
    Prepare(create_context, settings);
    grpc::Status status = events->CreateEvent(&create_context, create, &event);
    const auto created = Clock::now();
    event::v1::GetInclusionProofRequest prove;
    prove.set_name(event.name() + "/logEntries/1");
    for (bool proved = false; status.ok() && !proved;) {
      grpc::ClientContext context;
      Prepare(context, settings);
      event::v1::InclusionProof proof;
      status = logs->GetInclusionProof(&context, prove, &proof);
      proved = status.ok();
      const bool may_come = status.error_code() == grpc::StatusCode::UNAVAILABLE && Clock::now() < created + kPatience;
      if (may_come) status = grpc::Status::OK;
      // Often enough to see a tenth of what is promised, and seldom enough to be no load itself.
      if (!proved) absl::SleepFor(absl::Milliseconds(10));
    }
    if (!status.ok()) {
      std::cerr << "parley-bench-load: " << status.error_message() << "\n";
      return 1;
    }
    milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - created).count());
  }
  std::ranges::sort(milliseconds);
  std::cout << absl::StrFormat("{\"entries\": %d, \"p50_ms\": %.0f, \"max_ms\": %.0f}\n", milliseconds.size(),
                               milliseconds[milliseconds.size() / 2], milliseconds.back());
  return 0;
}

}  // namespace parley::bench
