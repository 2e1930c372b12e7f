// Members and staff who negotiate all the time, each on a thread of its own: they propose, change, confirm, view,
// notify, reopen and delete. Each change has a request_id and is sent again until its outcome is known.
//
//   WatchLoad load(staff, {ann, bob}, {"ann@example.com", "bob@example.com"}, {shared}, seed);
//   load.Await(100);  // calls
//   load.Stop();
#pragma once

#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/e2e_test.h"
#include "tests/support/watch_validators.h"

namespace parley::e2e {

// Makes its calls again until their outcome is known, and notes what was acknowledged. For one thread.
class SureCaller {
 public:
  explicit SureCaller(Client client) : client_(std::move(client)) {}

  template <class Stub, class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                std::type_identity_t<Request> request) {
    if constexpr (requires { request.set_request_id(""); }) request.set_request_id(Uuid::TimeOrdered().ToString());
    for (;;) {
      auto answer = client_.Call(method, request);
      if (answer.ok() || !IsInDoubt(answer.status())) return answer;
      Pause();
    }
  }

 private:
  static bool IsInDoubt(const absl::Status& status);
  // As clients do, who are told to try again.
  static void Pause();

  Client client_;
};

class WatchLoad {
 public:
  // All members are parties of the `shared` events, which are changed all the time and closed by nobody.
  WatchLoad(const Client& staff, const std::vector<Client>& members, std::vector<std::string> addresses,
            const std::vector<Event>& shared, uint32_t seed);
  ~WatchLoad() { Stop(); }

  // Waits until so many more calls have succeeded.
  bool Await(int64_t more) const;
  // When all that is under way is done: the services must be there.
  void Stop();

  // How many calls have succeeded.
  int64_t calls() const { return calls_; }
  // When nobody calls any more: what was acknowledged, the events that were made, refusals that nothing explains.
  const std::vector<test::Acknowledged>& acknowledged() const { return acknowledged_; }
  const std::set<std::string>& made() const { return made_; }
  const std::vector<std::string>& unexplained() const { return unexplained_; }

 private:
  class Negotiator;
  void Negotiate(Client client, size_t number, const std::vector<Event>& shared, uint32_t seed);
  void Delete(Client client);
  void Note(test::Acknowledged change);
  void NoteRefusal(const std::string& what, const absl::Status& status);

  const std::vector<std::string> addresses_;
  std::atomic<bool> is_stopping_ = false;
  std::atomic<int64_t> calls_ = 0;
  absl::Mutex mutex_;
  std::vector<test::Acknowledged> acknowledged_;
  std::set<std::string> made_;
  std::vector<std::string> unexplained_;
  std::map<std::string, std::vector<Event>> invitations_ ABSL_GUARDED_BY(mutex_);  // by address
  std::vector<std::string> to_delete_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace parley::e2e
