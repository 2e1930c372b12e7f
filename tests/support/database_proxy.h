// Stands between a process and its database, and cuts the connection around a commit when it is told to.
//
//   DatabaseProxy proxy(database.service_url());
//   System system({.database_url = proxy.url()});
//   ...
//   proxy.CutAtCommit(DatabaseProxy::Cut::kAfterCommit, "insert_events");
#pragma once

#include <functional>
#include <list>
#include <string>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "tests/support/process.h"

namespace parley::test {

class DatabaseProxy {
 public:
  // The host in the URL must be the folder of a Unix socket.
  explicit DatabaseProxy(const std::string& database_url);
  ~DatabaseProxy();
  DatabaseProxy(const DatabaseProxy&) = delete;
  DatabaseProxy& operator=(const DatabaseProxy&) = delete;

  // Of the same database, through the proxy.
  const std::string& url() const { return url_; }

  enum class Cut {
    kBeforeCommit,  // the database never hears of the commit, and rolls back
    kAfterCommit,   // it commits, and the client never hears of it
  };
  // Once, at the next commit of a transaction that has run this prepared statement; `on_cut` runs at that moment, on a
  // thread of the proxy. Thread-safe.
  void CutAtCommit(
      Cut cut, std::string statement, std::function<void()> on_cut = [] {});
  // Whether that was done. Thread-safe.
  bool HasCut();

 private:
  // Two sockets, and what is known of the messages that came from the client.
  struct Connection {
    int client;
    int server;
    std::string unread = {};       // not yet a whole message
    bool has_started = false;      // the first message has no type
    std::string transaction = {};  // all messages since the last commit or rollback
    bool ends_with_answer = false;
  };

  void Run();
  void Accept();
  // Whether the connection goes on.
  bool FromClient(Connection& connection);
  bool FromServer(Connection& connection);
  bool Forward(Connection& connection, const std::string& message);

  const TemporaryFolder folder_;
  std::string url_;
  std::string server_path_;
  int listener_ = -1;
  int stop_[2] = {-1, -1};
  std::list<Connection> connections_;

  absl::Mutex mutex_;
  bool is_armed_ ABSL_GUARDED_BY(mutex_) = false;
  Cut cut_ ABSL_GUARDED_BY(mutex_) = Cut::kBeforeCommit;
  std::string statement_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_cut_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace parley::test
