// Clients that follow events, each on a thread of its own, and note what they are told, for the validators of watches.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "common/client/watcher.h"
#include "tests/support/system.h"
#include "tests/support/watch_validators.h"

namespace parley::e2e {

// Holds once what many clients are told alike. Thread-safe.
class ToldSteps {
 public:
  std::shared_ptr<const test::ToldStep> Share(const event::v1::LogEntry& log_entry, const event::v1::Event& event);

 private:
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<const test::ToldStep>> steps_ ABSL_GUARDED_BY(mutex_);
};

// By the helper of common/client, or by streams that it breaks and resumes itself, at random and where they break.
enum class Way { kHelper, kRaw };

// What the test sees of one, whatever it follows.
class Following {
 public:
  virtual ~Following() = default;
  // Ends it. Further calls change nothing.
  virtual void Stop() = 0;

  // How far it was told, and how the last stream ended where no other follows it: well, or by what no resumption helps.
  int64_t position() const;
  std::optional<absl::Status> end() const;
  // How often a stream was opened again, by how the one before had ended: `broken` is what it did itself; `by the
  // helper`, whatever it was, where that did it.
  std::map<std::string, int> breaks() const;
  // All that it was told.
  test::Follower follower() const;

 protected:
  explicit Following(test::Follower follower) : follower_(std::move(follower)) {}
  void Begin(std::optional<int64_t> from);
  void Note(test::Told told);
  void NoteBreak(const std::string& what);
  void NoteEnd(const absl::Status& status);

 private:
  mutable absl::Mutex mutex_;
  test::Follower follower_ ABSL_GUARDED_BY(mutex_);
  int64_t position_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, int> breaks_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

template <class Request, class Response>
class FollowingClient final : public Following {
 public:
  // `follower` says what `request` asks for, and who asks. `seed` is for the breaks.
  FollowingClient(const test::Client& client, test::Follower follower, Request request, Way way, ToldSteps& steps,
                  uint32_t seed);
  ~FollowingClient() override { Stop(); }

  void Stop() override;
  // Requests by which it could have gone on, some of them.
  std::vector<Request> resumptions() const;

 private:
  void Follow();
  void PrepareForHelper(grpc::ClientContext& context);
  void FollowByHelper();
  void FollowByStreams();
  // Reads it until it ends, or to be broken off; nothing then.
  std::optional<absl::Status> ReadStream(int messages);
  void Take(const Response& message);

  const test::Client client_;
  const Way way_;
  ToldSteps& steps_;
  std::mt19937 random_;
  Request position_;
  int helper_streams_ = 0;
  client::Watcher<Request, Response> watcher_;
  mutable absl::Mutex own_mutex_;
  bool is_stopping_ ABSL_GUARDED_BY(own_mutex_) = false;
  std::unique_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(own_mutex_);
  std::vector<Request> resumptions_ ABSL_GUARDED_BY(own_mutex_);
  std::thread thread_;
};

using FollowingEvent = FollowingClient<event::v1::WatchEventRequest, event::v1::WatchEventResponse>;
using FollowingLog = FollowingClient<event::v1::WatchEventsRequest, event::v1::WatchEventsResponse>;

}  // namespace parley::e2e
