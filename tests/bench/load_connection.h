// A connection to a gRPC server over HTTP/2, for one thread that waits for many of them by itself: a client of gRPC's
// own costs more CPU for a call than the service that is measured on the same cores.
#pragma once

#include <nghttp2/nghttp2.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/load_call.h"

namespace parley::bench {

// Not thread-safe.
class Connection {
 public:
  // `address`: `unix:/path` or `host:port`. Comes back once the server has said that it speaks HTTP/2; with an error
  // where nobody listens, or says nothing for five seconds. `done` is told, from within Read, of each call that is
  // over; it may start others.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& address, const std::string& key,
                                                          std::function<void(Call&)> done);
  ~Connection();

  // Calls the method `/package.Service/Method`. Both must stay until the call is over.
  void Start(const std::string& path, Call& call);

  // Takes what has come, and tells which calls are over. An error ends the connection.
  absl::Status Read();
  // Sends what is to be sent, in one piece, as far as the socket takes it.
  absl::Status Write();

  int fd() const { return fd_; }
  bool wants_write() const { return written_ < out_.size() || nghttp2_session_want_write(session_) != 0; }

 private:
  Connection(int fd, const std::string& address, const std::string& key, std::function<void(Call&)> done);
  absl::Status AwaitServer();
  Call* CallOf(int32_t stream) const;

  // What nghttp2 calls.
  static ssize_t OnSend(nghttp2_session*, int32_t, uint8_t* data, size_t size, uint32_t* flags,
                        nghttp2_data_source* source, void*);
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* self);
  static int OnData(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size, void* self);
  static int OnClose(nghttp2_session*, int32_t stream, uint32_t reason, void* self);
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self);

  const int fd_;
  const std::string address_;
  const std::string authorization_;
  const std::function<void(Call&)> done_;
  nghttp2_session* session_ = nullptr;
  std::vector<nghttp2_nv> headers_;  // of each call; the first is the path
  std::string out_;
  size_t written_ = 0;  // bytes of it
  std::vector<uint8_t> in_;
  bool has_settings_ = false;
  absl::Status status_;
};

}  // namespace parley::bench
