#include "tests/bench/load_connection.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "tests/bench/load_socket.h"

namespace parley::bench {
namespace {

// So large that the server never waits for leave to send.
constexpr int32_t kWindow = 1 << 30;
constexpr size_t kInBytes = 1 << 18;
// What is made ready to be sent before some of it is.
constexpr size_t kOutBytes = 1 << 20;

std::string_view Text(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// Neither is copied by nghttp2.
nghttp2_nv Header(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

int Number(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& address, const std::string& key,
                                                             std::function<void(Call&)> done) {
  PARLEY_ASSIGN_OR_RETURN(const int fd, ConnectTo(address));
  std::unique_ptr<Connection> connection(new Connection(fd, address, key, std::move(done)));
  PARLEY_RETURN_IF_ERROR(connection->AwaitServer());
  return connection;
}

Connection::Connection(int fd, const std::string& address, const std::string& key, std::function<void(Call&)> done)
    : fd_(fd), address_(address), authorization_("Bearer " + key), done_(std::move(done)), in_(kInBytes) {
  headers_ = {Header(":path", ""), Header(":method", "POST"), Header(":scheme", "http"),
              Header(":authority", address.starts_with("unix:") ? "localhost" : std::string_view(address_)),
              Header("te", "trailers"), Header("content-type", "application/grpc"),
              Header("user-agent", "parley-bench-load"),
              // A call that hangs is an error.
              Header("grpc-timeout", "30S"), Header("authorization", authorization_)};
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
  nghttp2_session_client_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  const std::array<nghttp2_settings_entry, 2> settings = {
      {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow}}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindow);
}

Connection::~Connection() {
  nghttp2_session_del(session_);
  close(fd_);
}

absl::Status Connection::AwaitServer() {
  PARLEY_RETURN_IF_ERROR(Write());
  while (!has_settings_) {
    pollfd readable = {.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&readable, 1, 5000) <= 0) return absl::UnavailableError(address_ + ": says nothing");
    PARLEY_RETURN_IF_ERROR(Read());
  }
  fcntl(fd_, F_SETFL, O_NONBLOCK);
  return absl::OkStatus();
}

void Connection::Start(const std::string& path, Call& call) {
  headers_[0] = Header(":path", path);
  nghttp2_data_provider body = {.source = {.ptr = &call}, .read_callback = OnSend};
  const int32_t stream = nghttp2_submit_request(session_, nullptr, headers_.data(), headers_.size(), &body, &call);
  if (stream < 0 && status_.ok()) status_ = absl::InternalError(absl::StrCat(address_, ": ", nghttp2_strerror(stream)));
}

absl::Status Connection::Read() {
  const ssize_t size = recv(fd_, in_.data(), in_.size(), 0);
  if (size == 0) return absl::UnavailableError(absl::StrCat(address_, ": the server has closed the connection"));
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
  if (size < 0) return absl::UnavailableError(absl::StrCat(address_, ": ", strerror(errno)));
  const ssize_t taken = nghttp2_session_mem_recv(session_, in_.data(), static_cast<size_t>(size));
  if (taken < 0) {
    return absl::InternalError(
        absl::StrCat(address_, ": what came is no HTTP/2: ", nghttp2_strerror(static_cast<int>(taken))));
  }
  return status_;
}

absl::Status Connection::Write() {
  const uint8_t* frame = nullptr;
  for (ssize_t size = 1; size > 0 && out_.size() < kOutBytes;) {
    size = nghttp2_session_mem_send(session_, &frame);
    if (size < 0) return absl::InternalError(absl::StrCat(address_, ": ", nghttp2_strerror(static_cast<int>(size))));
    out_.append(reinterpret_cast<const char*>(frame), static_cast<size_t>(size));
  }
  if (out_.empty()) return status_;
  const ssize_t size = send(fd_, out_.data() + written_, out_.size() - written_, MSG_NOSIGNAL);
  if (size < 0 && errno != EAGAIN && errno != EINTR) {
    return absl::UnavailableError(absl::StrCat(address_, ": ", strerror(errno)));
  }
  written_ += static_cast<size_t>(std::max<ssize_t>(size, 0));
  if (written_ == out_.size()) {
    out_.clear();
    written_ = 0;
  }
  return status_;
}

Call* Connection::CallOf(int32_t stream) const {
  return static_cast<Call*>(nghttp2_session_get_stream_user_data(session_, stream));
}

ssize_t Connection::OnSend(nghttp2_session*, int32_t, uint8_t* data, size_t size, uint32_t* flags,
                           nghttp2_data_source* source, void*) {
  Call& call = *static_cast<Call*>(source->ptr);
  const size_t copied = call.request.copy(reinterpret_cast<char*>(data), size, call.sent);
  call.sent += copied;
  if (call.sent == call.request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(copied);
}

int Connection::OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                         const uint8_t* value, size_t value_size, uint8_t, void* self) {
  const std::string_view header = Text(name, name_size);
  const bool is_wanted = header == ":status" || header == "grpc-status" || header == "grpc-message";
  Call* call = is_wanted ? static_cast<Connection*>(self)->CallOf(frame->hd.stream_id) : nullptr;
  if (call == nullptr) return 0;
  const std::string_view text = Text(value, value_size);
  if (header == ":status") call->http_status = Number(text);
  if (header == "grpc-status") call->grpc_status = Number(text);
  if (header == "grpc-message") call->grpc_message = text;
  return 0;
}

int Connection::OnData(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size, void* self) {
  Call* call = static_cast<Connection*>(self)->CallOf(stream);
  if (call != nullptr) call->reply.append(Text(data, size));
  return 0;
}

int Connection::OnClose(nghttp2_session*, int32_t stream, uint32_t reason, void* self) {
  auto& connection = *static_cast<Connection*>(self);
  Call* call = connection.CallOf(stream);
  if (call == nullptr) return 0;
  call->reset = reason;
  connection.done_(*call);
  return 0;
}

int Connection::OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
  auto& connection = *static_cast<Connection*>(self);
  if (frame->hd.type == NGHTTP2_SETTINGS) connection.has_settings_ = true;
  if (frame->hd.type == NGHTTP2_GOAWAY && connection.status_.ok()) {
    const std::string_view why = Text(frame->goaway.opaque_data, frame->goaway.opaque_data_len);
    connection.status_ = absl::UnavailableError(
        absl::StrCat(connection.address_, ": the server ends the connection: GOAWAY, ",
                     nghttp2_http2_strerror(frame->goaway.error_code), why.empty() ? "" : ", ", std::string(why)));
  }
  return 0;
}

}  // namespace parley::bench
