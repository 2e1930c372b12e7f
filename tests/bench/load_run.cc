#include "tests/bench/load_run.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status/status.h"

namespace parley::bench {
namespace {

// A server that keeps up has far fewer under way.
constexpr size_t kMostUnderWay = 20000;
// Longer than any call may take.
constexpr auto kPatience = std::chrono::seconds(40);

Clock::duration Span(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// The CPU time of this process.
double CpuMicroseconds() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  return 1e6 * static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

}  // namespace

absl::Status Run::Go() {
  PARLEY_RETURN_IF_ERROR(Connect());
  const double cpu_before = CpuMicroseconds();
  SetTimes();
  if (!is_open()) {
    for (int i = 0; i < pace_.in_flight; ++i) Start(*connections_[i % connections_.size()], Clock::now());
  }
  while (under_way_ > 0 || (is_open() && MayStart())) PARLEY_RETURN_IF_ERROR(Turn());
  cpu_us_ = CpuMicroseconds() - cpu_before;
  if (error_.ok() && pace_.count == 0 && milliseconds_.empty()) {
    return absl::UnavailableError("no call was answered within the time that counts");
  }
  return error_;
}

absl::Status Run::Connect() {
  for (int i = 0; i < target_.connections; ++i) {
    const auto done = [this, i](Call& call) { Finish(*connections_[i], call); };
    PARLEY_ASSIGN_OR_RETURN(auto connection, Connection::Open(target_.address, target_.key, done));
    connections_.push_back(std::move(connection));
  }
  return absl::OkStatus();
}

void Run::SetTimes() {
  last_heard_ = next_ = Clock::now();
  count_from_ = next_ + Span(pace_.warm_up);
  end_ = pace_.count != 0 ? Clock::time_point::max() : count_from_ + Span(pace_.seconds);
}

bool Run::MayStart() const {
  if (!error_.ok() || (pace_.count != 0 && started_ >= pace_.count)) return false;
  return (is_open() ? next_ : Clock::now()) < end_;
}

absl::Status Run::Turn() {
  StartDue();
  for (const auto& connection : connections_) {
    if (connection->wants_write()) PARLEY_RETURN_IF_ERROR(connection->Write());
  }
  return AwaitSockets();
}

// Callers who know nothing of each other come in a Poisson process, which has bursts; calls in step would meet none,
// and a queue would look shorter than it is. The times are the same in each run.
void Run::StartDue() {
  if (!is_open()) return;
  std::exponential_distribution<double> pause(pace_.rate);
  for (const auto now = Clock::now(); next_ <= now && MayStart(); next_ += Span(pause(random_))) {
    if (under_way_ >= kMostUnderWay) {
      error_ = absl::ResourceExhaustedError(
          absl::StrFormat("the server does not keep up with %g calls/s: %d are under way", pace_.rate, under_way_));
    } else {
      Start(*connections_[started_ % connections_.size()], next_);
    }
  }
}

void Run::Start(Connection& connection, Clock::time_point begun) {
  if (!MayStart()) return;
  if (unused_.empty()) unused_.push_back(&calls_.emplace_back());
  Call& call = *unused_.back();
  const absl::Status status = kind_.Ask(call);
  if (!status.ok()) {
    error_ = status;
    return;
  }
  unused_.pop_back();
  call.begun = begun;
  ++started_;
  if (under_way_++ == 0) last_heard_ = Clock::now();
  connection.Start(kind_.path(), call);
}

void Run::Finish(Connection& connection, Call& call) {
  const auto now = Clock::now();
  last_heard_ = now;
  const absl::Status status = kind_.Take(call);
  if (status.ok()) {
    ++answered_;
  } else if (error_.ok()) {
    error_ = absl::Status(status.code(), absl::StrCat(kind_.path(), ": ", std::string(status.message())));
  }
  // At an open pace the server does not choose which calls count.
  const auto when = is_open() ? call.begun : now;
  if (pace_.count == 0 && when >= count_from_ && when < end_) {
    milliseconds_.push_back(std::chrono::duration<double, std::milli>(now - call.begun).count());
  }
  --under_way_;
  unused_.push_back(&call);
  if (!is_open()) Start(connection, now);
}

// poll and not epoll: there are few sockets, and ppoll alone waits for fractions of a millisecond on every kernel.
absl::Status Run::AwaitSockets() {
  sockets_.clear();
  for (const auto& connection : connections_) {
    const int events = POLLIN | (connection->wants_write() ? POLLOUT : 0);
    sockets_.push_back({.fd = connection->fd(), .events = static_cast<short>(events), .revents = 0});
  }
  const auto now = Clock::now();
  if (under_way_ > 0 && now - last_heard_ > kPatience) {
    return absl::DeadlineExceededError(absl::StrCat(under_way_, " calls are under way, and none is answered"));
  }
  auto until = now + std::chrono::seconds(1);
  if (is_open() && MayStart()) until = std::clamp(next_, now, until);
  const int64_t wait = std::chrono::nanoseconds(until - now).count();
  const timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
  if (ppoll(sockets_.data(), sockets_.size(), &timeout, nullptr) < 0 && errno != EINTR) {
    return absl::ErrnoToStatus(errno, "ppoll");
  }
  for (size_t i = 0; i < sockets_.size(); ++i) {
    if ((sockets_[i].revents & ~POLLOUT) != 0) PARLEY_RETURN_IF_ERROR(connections_[i]->Read());
  }
  return absl::OkStatus();
}

std::string Run::Report() const {
  std::vector<double> all = milliseconds_;
  std::ranges::sort(all);
  const auto percentile = [&all](double share) {
    return all.empty() ? 0 : all[static_cast<size_t>(share * static_cast<double>(all.size() - 1))];
  };
  return absl::StrFormat(
      "{\"calls\": %d, \"per_second\": %.1f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f, \"max_ms\": %.2f, "
      "\"answered\": %d, \"load_us\": %.1f}",
      all.size(), static_cast<double>(all.size()) / pace_.seconds, percentile(0.5), percentile(0.99), percentile(0.999),
      percentile(1), answered_, cpu_us_ / static_cast<double>(answered_));
}

}  // namespace parley::bench
