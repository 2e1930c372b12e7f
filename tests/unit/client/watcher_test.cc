// The helper that follows events, against a server whose streams break in each way.
#include "common/client/watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>

#include "absl/strings/numbers.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"

namespace parley::client {
namespace {

using event::v1::WatchEventRequest;
using event::v1::WatchEventResponse;
using event::v1::WatchEventsRequest;
using event::v1::WatchEventsResponse;
using test::Eventually;
using test::Fails;
using test::InfoOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// One stream of the server's: what it tells, and how it ends.
struct Script {
  std::vector<int64_t> steps = {};
  std::vector<int64_t> progress = {};  // told before them
  enum class End { kStatus, kReset, kNone } end = End::kStatus;
  grpc::Status status = grpc::Status::OK;
};

grpc::Status OfGrpc(grpc::StatusCode code) { return {code, "made by gRPC"}; }
grpc::Status Ours(const absl::Status& status) { return rpc::ToGrpc(status, "a call id"); }
// The server's cursor is that of what it sent last.
grpc::Status Cut(const absl::Status& status, const std::string& cursor) {
  return Ours(WithMetadata(status, "cursor", cursor));
}

// Plays one script for each call; the last one again and again.
class Server final : public event::v1::EventService::Service {
 public:
  explicit Server(std::deque<Script> scripts) : scripts_(std::move(scripts)) { Start(); }
  ~Server() override { Stop(); }

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  // Streams that are open are broken off.
  void Stop() { server_->Shutdown(std::chrono::system_clock::now()); }
  std::shared_ptr<grpc::Channel> Channel() const { return rpc::MakeChannel(absl::StrCat("127.0.0.1:", port_)); }

  // Where each call wanted to begin: a sequence or a cursor, `new`, or nothing.
  std::vector<std::string> begins() const {
    absl::MutexLock lock(&mutex_);
    return begins_;
  }
  // How many streams, of those without an end, their clients have ended.
  int given_up() const { return given_up_; }
  // When each call came.
  std::vector<absl::Time> times() const {
    absl::MutexLock lock(&mutex_);
    return times_;
  }

 private:
  grpc::Status WatchEvent(grpc::ServerContext* context, const WatchEventRequest* request,
                          grpc::ServerWriter<WatchEventResponse>* writer) override {
    return Play(*context, *writer, absl::StrCat(request->after_sequence()),
                [](WatchEventResponse& message, int64_t number) { message.set_sequence(number); });
  }
  grpc::Status WatchEvents(grpc::ServerContext* context, const WatchEventsRequest* request,
                           grpc::ServerWriter<WatchEventsResponse>* writer) override {
    return Play(*context, *writer, request->only_new() ? "new" : request->cursor(),
                [](WatchEventsResponse& message, int64_t number) { message.set_cursor(absl::StrCat(number)); });
  }

  template <class Response, class SetPosition>
  grpc::Status Play(grpc::ServerContext& context, grpc::ServerWriter<Response>& writer, const std::string& begin,
                    const SetPosition& set_position) {
    if (context.client_metadata().count("authorization") != 1) return Ours(CredentialMissing());
    const Script script = Next(begin);
    Response message;
    for (const int64_t number : script.progress) {
      set_position(message, number);
      writer.Write(message);
    }
    for (const int64_t number : script.steps) {
      set_position(message, number);
      message.mutable_log_entry()->set_sequence(number);
      writer.Write(message);
    }
    if (script.end == Script::End::kNone && Eventually([&] { return context.IsCancelled(); })) ++given_up_;
    if (script.end == Script::End::kReset) context.TryCancel();
    return script.status;
  }

  Script Next(const std::string& begin) {
    absl::MutexLock lock(&mutex_);
    begins_.push_back(begin);
    times_.push_back(absl::Now());
    const Script script = scripts_.front();
    if (scripts_.size() > 1) scripts_.pop_front();
    return script;
  }

  int port_ = 0;
  std::atomic<int> given_up_ = 0;
  mutable absl::Mutex mutex_;
  std::deque<Script> scripts_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> begins_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Time> times_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

void AddKey(grpc::ClientContext& context) { context.AddMetadata("authorization", "Bearer a key"); }

EventWatcher OfEvent(const Server& server, EventWatcher::Give give = EventWatcher::Give::kSteps) {
  return {server.Channel(), AddKey, {}, give};
}

// What the watcher gives until it ends; `end` is how.
std::vector<int64_t> StepsOf(EventWatcher& watcher, absl::Status& end) {
  std::vector<int64_t> steps;
  for (;;) {
    const auto step = watcher.Next();
    end = step.status();
    if (!step.ok() || !step->has_value()) return steps;
    steps.push_back((*step)->sequence());
  }
}

TEST(WatcherTest, StepsAreGivenThenTheEndAgainAndAgain) {
  Server server({{.steps = {1, 2, 3}}});
  auto watcher = OfEvent(server);
  absl::Status end;
  EXPECT_THAT(StepsOf(watcher, end), ElementsAre(1, 2, 3));
  EXPECT_EQ(end, absl::OkStatus());
  EXPECT_THAT(StepsOf(watcher, end), IsEmpty());
  EXPECT_EQ(end, absl::OkStatus());
  EXPECT_THAT(server.begins(), ElementsAre("0"));
}

TEST(WatcherTest, AfterEachKindOfBreakItGoesOnBehindTheLastStep) {
  const std::vector<grpc::Status> breaks{
      Cut(Stopping("the event service"), "2"),
      Ours(Unavailable("the event service")),
      Cut(ReaderTooSlow(), "2"),
      Ours(RateLimited("too many watches", absl::Milliseconds(1))),
      Ours(QueueFull()),
      OfGrpc(grpc::StatusCode::UNAVAILABLE),
      OfGrpc(grpc::StatusCode::INTERNAL),
      OfGrpc(grpc::StatusCode::UNKNOWN),
      OfGrpc(grpc::StatusCode::CANCELLED),
  };
  for (const grpc::Status& status : breaks) {
    Server server({{.steps = {1, 2}, .status = status}, {.status = status}, {.steps = {3}}});
    auto watcher = OfEvent(server);
    absl::Status end;
    EXPECT_THAT(StepsOf(watcher, end), ElementsAre(1, 2, 3)) << status.error_message();
    EXPECT_EQ(end, absl::OkStatus());
    EXPECT_THAT(server.begins(), ElementsAre("0", "2", "2"));
  }
}

TEST(WatcherTest, AStreamThatIsResetGoesOn) {
  // A reset may overtake what was told: then that is told again.
  Server resetting({{.steps = {1, 2}, .end = Script::End::kReset}, {.end = Script::End::kReset}, {}});
  auto watcher = OfEvent(resetting);
  absl::Status end;
  const auto steps = StepsOf(watcher, end);
  EXPECT_EQ(end, absl::OkStatus());
  ASSERT_EQ(resetting.begins().size(), 3);
  EXPECT_EQ(resetting.begins()[2], absl::StrCat(steps.empty() ? 0 : steps.back()));
}

TEST(WatcherTest, AServerThatIsStartedAgainGoesOn) {
  Server server({{.steps = {1, 2}, .end = Script::End::kNone}, {.steps = {3}}});
  auto watcher = OfEvent(server);
  for (const int64_t sequence : {1, 2}) {
    const auto step = watcher.Next();
    ASSERT_TRUE(step.ok() && step->has_value());
    EXPECT_EQ((*step)->sequence(), sequence);
  }
  server.Stop();
  std::thread start([&server] { server.Start(); });
  absl::Status end;
  EXPECT_THAT(StepsOf(watcher, end), ElementsAre(3));
  EXPECT_EQ(end, absl::OkStatus());
  EXPECT_EQ(server.begins().back(), "2");
  start.join();
}

TEST(WatcherTest, HowFarTheStreamIsCountsAndIsGivenOutWhereAsked) {
  const std::deque<Script> scripts{{.steps = {5}, .progress = {3, 4}}, {}};
  const std::deque<Script> breaking{{.progress = {3, 4}, .status = OfGrpc(grpc::StatusCode::UNAVAILABLE)},
                                    {.steps = {5}}};
  absl::Status end;
  Server all(scripts);
  auto to_all = OfEvent(all, EventWatcher::Give::kAll);
  EXPECT_THAT(StepsOf(to_all, end), ElementsAre(3, 4, 5));
  Server server(breaking);
  auto watcher = OfEvent(server);
  EXPECT_THAT(StepsOf(watcher, end), ElementsAre(5));
  EXPECT_THAT(server.begins(), ElementsAre("0", "4"));
  EXPECT_EQ(watcher.position().after_sequence(), 5);
}

TEST(WatcherTest, OfAllEventsItGoesOnByCursorAndOnlyNewUntilItHasOne) {
  const grpc::Status away = OfGrpc(grpc::StatusCode::UNAVAILABLE);
  Server server({{.status = away}, {.progress = {7}, .status = away}, {.steps = {9}, .status = away}, {}});
  WatchEventsRequest request;
  request.set_only_new(true);
  request.add_occurrences(event::v1::LogEntry::UPDATE);
  LogWatcher watcher(server.Channel(), AddKey, request);
  const auto step = watcher.Next();
  ASSERT_TRUE(step.ok() && step->has_value());
  EXPECT_EQ((*step)->cursor(), "9");
  const auto end = watcher.Next();
  EXPECT_TRUE(end.ok() && !end->has_value());
  EXPECT_THAT(server.begins(), ElementsAre("new", "new", "7", "9"));
  EXPECT_EQ(watcher.position().occurrences_size(), 1);
}

TEST(WatcherTest, WhatResumingCannotHelpIsGivenBack) {
  FieldViolations fields;
  fields.Add("name", "is bad");
  for (const absl::Status& status :
       {CredentialInvalid(), TokenExpired(), Hidden("parley.event.v1.Event", "events/1"),
        NotFound("parley.event.v1.Event", "events/1"), fields.ToStatus(), CursorOutOfRange("cursor"),
        Internal("a story"), ChainBroken("events/1/logEntries/1")}) {
    Server server({{.steps = {1}, .status = Ours(status)}});
    auto watcher = OfEvent(server);
    absl::Status end;
    EXPECT_THAT(StepsOf(watcher, end), ElementsAre(1));
    EXPECT_THAT(end, Fails(status.code(), ReasonOf(status)));
    EXPECT_THAT(StepsOf(watcher, end), IsEmpty());
    EXPECT_THAT(end, Fails(status.code(), ReasonOf(status)));
    EXPECT_EQ(server.begins().size(), 1);
  }
  // A message that is too large for this client, say.
  Server server({{.status = OfGrpc(grpc::StatusCode::RESOURCE_EXHAUSTED)}});
  auto watcher = OfEvent(server);
  EXPECT_EQ(watcher.Next().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(WatcherTest, WhatNobodyExplainsAndAlwaysHappensIsGivenBack) {
  Server server({{.status = OfGrpc(grpc::StatusCode::INTERNAL)}});
  auto watcher = OfEvent(server);
  EXPECT_EQ(watcher.Next().status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(server.begins().size(), 5);
}

TEST(WatcherTest, TheCursorOfAnErrorIsOfWhatHasArrived) {
  Server server({{.steps = {1, 2}, .status = Cut(CredentialInvalid(), "7")}});
  auto watcher = OfEvent(server);
  absl::Status end;
  EXPECT_THAT(StepsOf(watcher, end), ElementsAre(1, 2));
  EXPECT_EQ(InfoOf(end, "cursor"), "2");
}

TEST(WatcherTest, PausesGrowUntilAMessageArrives) {
  const Script away{.status = OfGrpc(grpc::StatusCode::UNAVAILABLE)};
  Server server({away, away, away, away, {.steps = {1}, .status = away.status}, {}});
  auto watcher = OfEvent(server);
  absl::Status end;
  EXPECT_THAT(StepsOf(watcher, end), ElementsAre(1));
  const auto times = server.times();
  ASSERT_EQ(times.size(), 6);
  EXPECT_GE(times[1] - times[0], absl::Milliseconds(100));
  EXPECT_GE(times[2] - times[1], absl::Milliseconds(200));
  EXPECT_GE(times[3] - times[2], absl::Milliseconds(400));
  EXPECT_GE(times[4] - times[3], absl::Milliseconds(800));
  EXPECT_LT(times[5] - times[4], times[4] - times[3]);
}

TEST(WatcherTest, TheServerMayAskForALongerPause) {
  Server server({{.status = Ours(RateLimited("slowly", absl::Milliseconds(700)))}, {}});
  auto watcher = OfEvent(server);
  absl::Status end;
  StepsOf(watcher, end);
  ASSERT_EQ(server.times().size(), 2);
  EXPECT_GE(server.times()[1] - server.times()[0], absl::Milliseconds(700));
}

TEST(WatcherTest, CancelEndsANextThatWaitsForWhatever) {
  for (const Script& script :
       {Script{.end = Script::End::kNone}, Script{.status = Ours(RateLimited("in an hour", absl::Hours(1)))}}) {
    Server server({script});
    auto watcher = OfEvent(server);
    std::thread cancel([&] {
      EXPECT_TRUE(Eventually([&] { return server.begins().size() == 1; }));
      watcher.Cancel();
    });
    EXPECT_EQ(watcher.Next().status().code(), absl::StatusCode::kCancelled);
    cancel.join();
    EXPECT_EQ(watcher.Next().status().code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(server.begins().size(), 1);
  }
  Server server(std::deque<Script>{{.steps = {1}}});
  auto watcher = OfEvent(server);
  watcher.Cancel();
  EXPECT_EQ(watcher.Next().status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(server.begins(), IsEmpty());
}

TEST(WatcherTest, OneThatIsGivenUpEndsItsStream) {
  Server server({{.steps = {1}, .end = Script::End::kNone}});
  {
    auto watcher = OfEvent(server);
    EXPECT_TRUE(watcher.Next().ok());
  }
  EXPECT_TRUE(Eventually([&] { return server.given_up() == 1; }));
}

}  // namespace
}  // namespace parley::client
