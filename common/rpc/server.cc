#include "common/rpc/server.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <iostream>
#include <limits>
#include <memory>
#include <system_error>

#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/rpc/reflection.h"

namespace parley::rpc {
namespace {

constexpr absl::Duration kReadyInterval = absl::Seconds(1);
// How often clients may ask whether the server is still there; those that ask more often are sent away.
constexpr absl::Duration kClientKeepalive = absl::Seconds(5);
// So long calls are taken after it was said that the end has come. Whoever has several of us to choose from goes by
// what is said; a call that is on its way meanwhile finds an open door.
constexpr absl::Duration kNotice = absl::Milliseconds(500);
constexpr std::string_view kUnix = "unix:";
constexpr int kMaxMessageBytes = 1 << 20;
constexpr int kMaxMetadataBytes = 16 << 10;

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// As gRPC takes it.
int MillisecondsOf(absl::Duration duration) {
  return static_cast<int>(std::min<int64_t>(absl::ToInt64Milliseconds(duration), std::numeric_limits<int>::max()));
}

// Whether a signal to end came within the interval.
bool AwaitEnd(absl::Duration interval) {
  const sigset_t signals = EndSignals();
  const timespec timeout = absl::ToTimespec(interval);
  return sigtimedwait(&signals, nullptr, &timeout) > 0;
}

void SetHealth(grpc::Server& server, const Service& service, bool serving) {
  auto* health = server.GetHealthCheckService();
  for (const std::string& name : service.names) {
    health->SetServingStatus(name, service.serves ? service.serves(name) : serving);
  }
  health->SetServingStatus("", serving);
}

// Keeps others from the socket for as long as the process lives: gRPC puts its own in the place of another's without a
// word, and removes at its end whatever is there by then. Answers with what is wrong; empty where nothing is.
std::string LockSocket(const std::string& listen) {
  const std::string path = listen.substr(kUnix.size()) + ".lock";
  const int file = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) return path + ": " + std::generic_category().message(errno);
  return flock(file, LOCK_EX | LOCK_NB) == 0 ? "" : "another process serves there, or is ending";
}

// What ends the process is as clear on the terminal as in the log.
int Refuse(std::string_view message) {
  Log(LogLevel::kError, message);
  std::cerr << message << "\n";
  return 1;
}

int CannotListen(const ServerSettings& settings, const std::string& reason) {
  return Refuse("cannot listen on " + settings.listen + " (PARLEY_LISTEN)" + (reason.empty() ? "" : ": " + reason));
}

int ServeToTheEnd(const ServerSettings& settings, const Service& service) {
  const bool is_local = settings.listen.starts_with(kUnix);
  if (is_local) {
    const std::string problem = LockSocket(settings.listen);
    if (!problem.empty()) return CannotListen(settings, problem);
  }
  grpc::EnableDefaultHealthCheckService(true);
  Reflection reflection(service.names);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(settings.listen, grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  // Statistics that nobody asks for.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  // Requests are small: guesses at the bandwidth would cost each call something for nothing.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // A client that has vanished without a word is noticed, and its streams end. Clients may ask us as often.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, MillisecondsOf(settings.keepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, MillisecondsOf(settings.keepalive));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, MillisecondsOf(kClientKeepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // A socket's file leads to one server.
  if (!is_local && settings.connection_age != absl::InfiniteDuration()) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, MillisecondsOf(settings.connection_age));
  }
  // Two processes on one port would share its calls in silence.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  for (grpc::Service* each : service.services) builder.RegisterService(each);
  if (service.generic != nullptr) builder.RegisterCallbackGenericService(service.generic);
  if (settings.reflection) builder.RegisterService(&reflection);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return CannotListen(settings, "");
  SetHealth(*server, service, false);
  Log(LogLevel::kInfo, "listening", {{"address", settings.listen}, {"port", int64_t{port}}});
  if (service.start) {
    const absl::Status started = service.start(*server);
    if (!started.ok()) return Refuse(std::string(started.message()));
  }

  int exit_code = 0;
  bool serving = false;
  std::string last_reason;
  do {
    const absl::Status ready = service.ready();
    if (ready.code() == absl::StatusCode::kFailedPrecondition) {
      exit_code = Refuse(std::string(ready.message()));
      break;
    }
    if (ready.ok() != serving || (!ready.ok() && ready.message() != last_reason)) {
      last_reason = std::string(ready.message());
      Log(ready.ok() ? LogLevel::kInfo : LogLevel::kWarning, ready.ok() ? "serving" : "not serving",
          {{"reason", last_reason}});
    }
    serving = ready.ok();
    SetHealth(*server, service, serving);
  } while (!AwaitEnd(kReadyInterval));

  Log(LogLevel::kInfo, "stopping");
  server->GetHealthCheckService()->SetServingStatus(false);
  const absl::Time deadline = absl::Now() + settings.drain;
  if (!is_local) AwaitEnd(std::min(kNotice, settings.drain));
  if (service.drain) service.drain(deadline);
  server->Shutdown(absl::ToChronoTime(deadline));
  server->Wait();
  if (service.stop) service.stop(deadline);
  Log(LogLevel::kInfo, "stopped");
  return exit_code;
}

}  // namespace

void ServerSettings::AddTo(Config& config) {
  config.Add("listen", listen, "Where to serve gRPC: unix:/path or host:port.");
  config.Required();
  config.Add("reflection", reflection, "Whether clients such as grpcurl may ask for the contracts.");
  config.Add("log-format", log_format, "One JSON object a line, or text; auto is text on a terminal.",
             {"auto", "json", "text"});
  config.Add("log-level", log_level, "The least level that is logged.", {"debug", "info", "warning", "error"});
  config.Add("default-deadline", default_deadline, "The time that a unary call has if it brings no deadline.");
  config.Add("keepalive", keepalive,
             "How often a connection that says nothing is asked whether its client is still there; one that does not "
             "answer for as long is closed.");
  config.Add(
      "connection-age", connection_age,
      "After how long clients are to make their connections over TCP anew, whereby they find replicas that have come "
      "since. What is under way goes on. inf: never.");
  config.Add("drain", drain, "At the end, how long calls under way may take.");
}

void StartProcess(std::string_view name, const ServerSettings& settings) {
  // Connections are files: as many as the administrator lets us have.
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // Debian builds Abseil with its search for deadlocks on, which every lock of gRPC's would pay for.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  StartLog(name, settings.log_format, settings.log_level);
}

int Serve(const ServerSettings& settings, const Service& service) {
  const int exit_code = ServeToTheEnd(settings, service);
  StopLog();
  return exit_code;
}

}  // namespace parley::rpc
