// A process that serves gRPC: its common settings, its start, its health, its end.
//
//   int main(int argc, char** argv) {
//     rpc::ServerSettings settings;
//     Config config("parley-event", "...");
//     settings.AddTo(config);
//     if (auto exit_code = config.Parse(argc, argv)) return *exit_code;
//     rpc::StartProcess("event", settings);
//     ...
//     return rpc::Serve(settings, {.services = {&server}, .ready = [&] { return data::CheckSchema(pool, ...); }});
//   }
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/config/config.h"

namespace grpc {
class CallbackGenericService;
}

namespace parley::rpc {

struct ServerSettings {
  std::string listen;
  bool reflection = false;
  std::string log_format = "auto";
  std::string log_level = "info";
  absl::Duration default_deadline = absl::Seconds(10);
  absl::Duration drain = absl::Seconds(8);
  absl::Duration keepalive = absl::Seconds(30);
  absl::Duration connection_age = absl::Minutes(5);

  void AddTo(Config& config);
};

// What a process serves.
struct Service {
  // Full names, for health and reflection: `parley.event.v1.EventService`.
  std::vector<std::string> names;
  std::vector<grpc::Service*> services;
  // The gateway's; null for all others.
  grpc::CallbackGenericService* generic = nullptr;
  // Called once, as soon as calls are taken: begins what the process does besides. What is not OK ends the process. May
  // be empty.
  std::function<absl::Status(grpc::Server& server)> start = nullptr;
  // Asked once a second: OK means SERVING. FAILED_PRECONDITION ends the process: it must not run so.
  std::function<absl::Status()> ready;
  // Whether this one of `names` is SERVING, asked after `ready`, for a process that others stand behind (the gateway).
  // Where it is empty, all are as `ready` says.
  std::function<bool(const std::string& name)> serves = nullptr;
  // Called once before new calls are refused: ends streams, which would go on for ever, and what calls from within the
  // process, whose calls would be cut. The deadline is when the time to drain is up. May be empty.
  std::function<void(absl::Time deadline)> drain = nullptr;
  // Called once at the end, when no call runs any more: ends what the process does besides serving, by the deadline,
  // which is when the time to drain is up. May be empty.
  std::function<void(absl::Time deadline)> stop = nullptr;
};

// Starts the log, and blocks the signals that Serve waits for. Before any thread is started.
void StartProcess(std::string_view name, const ServerSettings& settings);

// Serves until SIGTERM or SIGINT; then says NOT_SERVING, soon takes no new calls and lets those under way finish,
// within `drain`. Answers with the process's exit code: 0, or 1 where it could not start or must not run.
int Serve(const ServerSettings& settings, const Service& service);

}  // namespace parley::rpc
