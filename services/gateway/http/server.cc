#include "services/gateway/http/server.h"

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/log/log.h"

namespace parley::gateway::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr int kThreads = 2;
// How much, and for how long, is still taken from a client that was refused while it was sending: closed at once, the
// connection would be reset, and the refusal be lost.
constexpr size_t kMaxLingerBytes = 8 << 20;
constexpr absl::Duration kLinger = absl::Seconds(2);
constexpr size_t kReadBytes = 16 << 10;
// Of all bodies that are being read at a time: as many as their heads announce, or may come.
constexpr size_t kMaxReservedBytes = 256 << 20;
// How long a request that has begun is still waited for in the end.
constexpr absl::Duration kLastRequests = absl::Milliseconds(500);
// Before the next try where no connection could be taken: the process has no file descriptor left.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

// The same for one that came by either family.
std::string TextOf(const asio::ip::address& address) {
  const bool is_mapped = address.is_v6() && address.to_v6().is_v4_mapped();
  return is_mapped ? asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string() : address.to_string();
}

std::string Lower(beast::string_view text) { return absl::AsciiStrToLower({text.data(), text.size()}); }

std::string_view ReasonOf(int status) {
  const auto reason = beast::http::obsolete_reason(static_cast<beast::http::status>(status));
  return {reason.data(), reason.size()};
}

}  // namespace

// Shared by the connections, which may outlive the server by a moment.
class Server::Impl : public std::enable_shared_from_this<Server::Impl> {
 public:
  Impl(const Limits& limits, Handler handler) : limits_(limits), handler_(std::move(handler)) {}

  absl::Status Start(const std::string& listen);
  void Drain();
  void Stop(absl::Time deadline);

 private:
  class Connection;
  class Answer;

  void Accept();
  void Leave(Connection& connection);
  // A server of gRPC's in this process that gets no file descriptor never accepts again (CVE-2023-4785).
  void LeaveRoom();
  // Takes its part of what all bodies may be; false where it is not to be had.
  bool Reserve(size_t bytes);
  void Release(size_t bytes) { reserved_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  bool is_draining() {
    absl::MutexLock lock(&mutex_);
    return is_draining_;
  }
  std::vector<std::shared_ptr<Connection>> connections();

  Limits limits_;
  const Handler handler_;
  asio::io_context io_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<asio::steady_timer> accept_pause_;
  std::vector<std::thread> threads_;
  std::atomic<size_t> reserved_bytes_ = 0;
  std::atomic<bool> has_stopped_ = false;
  absl::Mutex mutex_;
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Connection*> connections_ ABSL_GUARDED_BY(mutex_);
};

// A connection, on a strand of its own: one request after the other.
class Server::Impl::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Impl> server, tcp::socket socket)
      // More than a head has is never needed at once: what is neither head nor body is bounded by this.
      : server_(std::move(server)),
        stream_(std::move(socket)),
        buffer_(server_->limits_.max_header_bytes + kReadBytes) {
    error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    // What is never acknowledged, because the client has vanished without a word.
    const auto patience = static_cast<unsigned>(absl::ToInt64Milliseconds(server_->limits_.patience));
    setsockopt(stream_.socket().native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof(patience));
    client_ = TextOf(stream_.socket().remote_endpoint(ignored).address());
  }
  ~Connection() { Close(); }

  void Start() {
    Post([this] { AwaitRequest(); });
  }

  // Closes it as soon as it has nothing to answer.
  void Drain() {
    Post([this] {
      if (answer_ == nullptr && !is_reading_request_) Close();
    });
  }

  // Closes it where the request is still not there.
  void GiveUpReading() {
    Post([this] {
      if (answer_ == nullptr) Close();
    });
  }

  void Abort() {
    Post([this] { Break(); });
  }

  void Post(std::function<void()> work) {
    // Nobody would run it, and it may hold us.
    if (server_->has_stopped_) return;
    asio::post(stream_.get_executor(), [self = shared_from_this(), work = std::move(work)] { work(); });
  }

  // Those of the answer that is under way; of another one they do nothing.

  void Send(const Answer& answer, const Response& response);
  void Begin(const Answer& answer, const Response& response);
  void Write(const Answer& answer, const std::string& piece, std::function<void(bool)> done);
  void End(const Answer& answer);
  void OnGone(const Answer& answer, std::function<void()> gone);

 private:
  struct Piece {
    std::string bytes;
    std::function<void(bool)> done;
    bool is_last = false;
  };

  template <class Reaction>
  auto React(Reaction reaction) {
    return [self = shared_from_this(), reaction](error_code error, auto... rest) { reaction(error, rest...); };
  }

  void ExpireAfter(absl::Duration duration) { stream_.expires_after(absl::ToChronoNanoseconds(duration)); }

  void AwaitRequest() {
    if (server_->is_draining()) return Close();
    is_reading_request_ = false;
    if (buffer_.size() > 0) return ReadHeader();
    ExpireAfter(server_->limits_.idle);
    stream_.async_read_some(buffer_.prepare(kReadBytes), React([this](error_code error, size_t size) {
                              if (error) return Close();
                              buffer_.commit(size);
                              ReadHeader();
                            }));
  }

  void ReadHeader() {
    is_reading_request_ = true;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(server_->limits_.max_header_bytes));
    parser_->body_limit(server_->limits_.max_body_bytes);
    ExpireAfter(server_->limits_.patience);
    beast::http::async_read_header(stream_, buffer_, *parser_, React([this](error_code error, size_t) {
                                     TakeHead();
                                     if (error) return Misread(error);
                                     ReadBody();
                                   }));
  }

  // Before the body: what follows that, as trailers, are no headers (RFC 9110, 6.5.1).
  void TakeHead() {
    const auto& read = parser_->get();
    request_ = Request{};
    request_.method = std::string(read.method_string());
    std::string target(read.target());
    // RFC 9112, 3.2.2
    for (const std::string_view scheme : {"http://", "https://"}) {
      if (target.starts_with(scheme)) target = target.substr(std::min(target.find('/', scheme.size()), target.size()));
    }
    const size_t query = target.find('?');
    request_.path = target.substr(0, query);
    if (query != std::string::npos) request_.query = target.substr(query + 1);
    for (const auto& field : read) request_.headers.emplace(Lower(field.name_string()), std::string(field.value()));
    request_.takes_chunks = read.version() >= 11;
    request_.client = client_;
  }

  // Where the body ends, and for whom it is, must be clear to all that it went through (RFC 9112, 3.2 and 6.3). Empty
  // where it is.
  std::string_view Ambiguity() const {
    const size_t encodings = request_.headers.count("transfer-encoding");
    const bool is_chunked = beast::iequals(parser_->get()[beast::http::field::transfer_encoding], "chunked");
    if (encodings > 0 && (encodings > 1 || !is_chunked || !request_.takes_chunks)) {
      return "transfer-encoding must be chunked, in HTTP/1.1";
    }
    if (encodings > 0 && request_.headers.contains("content-length")) {
      return "content-length and transfer-encoding exclude one another";
    }
    if (request_.takes_chunks && request_.headers.count("host") != 1) return "host must be there once";
    return {};
  }

  void SendContinue() {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(stream_, asio::buffer(kContinue), React([this](error_code error, size_t) {
                        if (error) return Close();
                        ReadOn();
                      }));
  }

  void ReadOn() {
    beast::http::async_read(stream_, buffer_, *parser_, React([this](error_code error, size_t) {
                              if (error) return Misread(error);
                              Handle();
                            }));
  }

  void ReadBody() {
    if (const auto ambiguity = Ambiguity(); !ambiguity.empty()) return Refuse(400, ambiguity);
    const bool is_chunked = request_.headers.contains("transfer-encoding");
    const size_t bytes = is_chunked ? server_->limits_.max_body_bytes : parser_->content_length().value_or(0);
    if (!server_->Reserve(bytes)) return Refuse(503, "too much is being sent at the moment");
    reserved_bytes_ = bytes;
    if (request_.takes_chunks && beast::iequals(parser_->get()[beast::http::field::expect], "100-continue")) {
      return SendContinue();
    }
    ReadOn();
  }

  void Misread(error_code error) {
    namespace http = beast::http;
    if (error == http::error::body_limit) {
      is_refusing_ = true;
      return Handle();
    }
    const bool is_http = error.category() == http::make_error_code(http::error::header_limit).category();
    if (!is_http || error == http::error::end_of_stream || error == http::error::partial_message) return Close();
    const bool is_large = error == http::error::header_limit || error == http::error::buffer_overflow;
    Refuse(is_large ? 431 : 400,
           is_large ? "head, trailers, or what is beside the body are too large" : error.message());
  }

  // Answers what is no request, and closes.
  void Refuse(int status, std::string_view why) {
    is_refusing_ = true;
    Send(NewAnswer(), {status, {{"content-type", "text/plain"}}, absl::StrCat(std::string(why), "\n")});
  }

  void Handle();
  Answer& NewAnswer();

  // While a request is answered nothing is read, but whether the client is still there.
  void LookAfterClient() {
    if (std::exchange(is_looking_, true)) return;
    stream_.socket().async_wait(tcp::socket::wait_read, React([this, number = number_](error_code error) {
                                  is_looking_ = false;
                                  if (answer_ == nullptr || error) return;
                                  // Left over from an earlier request.
                                  if (number != number_) return LookAfterClient();
                                  char byte;
                                  const auto size =
                                      recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
                                  // The next request.
                                  if (size > 0) return;
                                  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return LookAfterClient();
                                  Break();
                                }));
  }

  std::string HeadOf(const Response& response, bool is_whole) const {
    std::string head = absl::StrCat("HTTP/1.1 ", response.status, " ", std::string(ReasonOf(response.status)), "\r\n");
    for (const auto& [name, value] : response.headers) absl::StrAppend(&head, name, ": ", value, "\r\n");
    absl::StrAppend(&head, "date: ", absl::FormatTime("%a, %d %b %E4Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone()),
                    "\r\n");
    // RFC 9110, 8.6: none with these.
    const bool has_no_body = response.status == 204 || response.status == 304;
    if (is_whole && !has_no_body) absl::StrAppend(&head, "content-length: ", response.body.size(), "\r\n");
    if (!is_whole) head += "transfer-encoding: chunked\r\n";
    if (!is_keeping_) head += "connection: close\r\n";
    return head + "\r\n";
  }

  // Whether it is the one that is being given, and has not come to its end.
  bool IsOpen(const Answer& answer) const { return &answer == answer_.get() && !has_ended_; }

  void Queue(Piece piece) {
    has_ended_ = piece.is_last;
    pieces_.push_back(std::move(piece));
    if (pieces_.size() == 1) WriteNext();
  }

  void WriteNext() {
    ExpireAfter(server_->limits_.patience);
    asio::async_write(stream_, asio::buffer(pieces_.front().bytes), React([this](error_code error, size_t) {
                        if (error) return Break();
                        if (pieces_.empty()) return;
                        const Piece piece = std::move(pieces_.front());
                        pieces_.pop_front();
                        if (!pieces_.empty()) WriteNext();
                        if (piece.done) piece.done(true);
                        if (piece.is_last) EndAnswer();
                      }));
  }

  void EndAnswer() {
    answer_ = nullptr;
    gone_ = nullptr;
    if (is_refusing_) return Linger();
    if (!is_keeping_) return Close();
    AwaitRequest();
  }

  void Linger() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    ExpireAfter(kLinger);
    Discard(0);
  }

  void Discard(size_t so_far) {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kReadBytes), React([this, so_far](error_code error, size_t size) {
                              if (error || so_far + size > kMaxLingerBytes) return Close();
                              Discard(so_far + size);
                            }));
  }

  // The client has gone, or is given up.
  void Break() {
    answer_ = nullptr;
    std::deque<Piece> pieces;
    pieces.swap(pieces_);
    for (const Piece& piece : pieces) {
      if (piece.done) piece.done(false);
    }
    if (const auto gone = std::exchange(gone_, nullptr)) gone();
    Close();
  }

  // The last that it does. An exchange that somebody still holds keeps it, but nobody waits for that.
  void Close() {
    ReleaseBody();
    stream_.close();
    server_->Leave(*this);
  }

  void ReleaseBody() { server_->Release(std::exchange(reserved_bytes_, 0)); }

  const std::shared_ptr<Impl> server_;
  beast::tcp_stream stream_;
  std::string client_;
  beast::flat_buffer buffer_;
  std::optional<beast::http::request_parser<beast::http::string_body>> parser_;
  Request request_;            // the one that is being read
  size_t reserved_bytes_ = 0;  // for its body
  bool is_reading_request_ = false;
  bool is_refusing_ = false;  // the request was not read to its end
  bool is_keeping_ = true;    // the connection is kept after this answer
  bool is_head_ = false;      // the answer has no body
  bool has_ended_ = false;    // the last piece of the answer is queued
  bool is_looking_ = false;   // after the client
  int64_t number_ = 0;        // of the request
  std::shared_ptr<Answer> answer_;
  std::function<void()> gone_;
  std::deque<Piece> pieces_;
};

class Server::Impl::Answer final : public Exchange, public std::enable_shared_from_this<Answer> {
 public:
  explicit Answer(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

  void Send(Response response) override {
    connection_->Post(
        [self = shared_from_this(), response = std::move(response)] { self->connection_->Send(*self, response); });
  }
  void Begin(Response response) override {
    connection_->Post(
        [self = shared_from_this(), response = std::move(response)] { self->connection_->Begin(*self, response); });
  }
  void Write(std::string piece, std::function<void(bool)> done) override {
    connection_->Post([self = shared_from_this(), piece = std::move(piece), done = std::move(done)]() mutable {
      self->connection_->Write(*self, piece, std::move(done));
    });
  }
  void End() override {
    connection_->Post([self = shared_from_this()] { self->connection_->End(*self); });
  }
  void OnGone(std::function<void()> gone) override {
    connection_->Post([self = shared_from_this(), gone = std::move(gone)]() mutable {
      self->connection_->OnGone(*self, std::move(gone));
    });
  }
  void Post(std::function<void()> work) override { connection_->Post(std::move(work)); }

 private:
  const std::shared_ptr<Connection> connection_;
};

Server::Impl::Answer& Server::Impl::Connection::NewAnswer() {
  // HTTP/1.0 would have to be told that it is kept.
  is_keeping_ = !is_refusing_ && request_.takes_chunks && parser_->get().keep_alive() && !server_->is_draining();
  is_head_ = parser_->get().method() == beast::http::verb::head;
  has_ended_ = false;
  ++number_;
  answer_ = std::make_shared<Answer>(shared_from_this());
  return *answer_;
}

void Server::Impl::Connection::Handle() {
  request_.is_too_large = is_refusing_;
  if (!is_refusing_) request_.body = std::move(parser_->get().body());
  NewAnswer();
  // An answer may take long.
  parser_.reset();
  if (buffer_.size() == 0) buffer_.shrink_to_fit();
  ReleaseBody();
  LookAfterClient();
  const Request request = std::exchange(request_, {});
  server_->handler_(request, answer_);
}

void Server::Impl::Connection::Send(const Answer& answer, const Response& response) {
  if (!IsOpen(answer)) return;
  std::string bytes = HeadOf(response, true);
  if (!is_head_) bytes += response.body;
  Queue({std::move(bytes), nullptr, true});
}

void Server::Impl::Connection::Begin(const Answer& answer, const Response& response) {
  if (IsOpen(answer)) Queue({HeadOf(response, false), nullptr});
}

void Server::Impl::Connection::Write(const Answer& answer, const std::string& piece, std::function<void(bool)> done) {
  if (!IsOpen(answer)) return done(false);
  Queue({absl::StrCat(absl::Hex(piece.size()), "\r\n", piece, "\r\n"), std::move(done)});
}

void Server::Impl::Connection::End(const Answer& answer) {
  if (IsOpen(answer)) Queue({"0\r\n\r\n", nullptr, true});
}

void Server::Impl::Connection::OnGone(const Answer& answer, std::function<void()> gone) {
  if (&answer != answer_.get()) return gone();
  gone_ = std::move(gone);
}

void Server::Impl::LeaveRoom() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const size_t half = files.rlim_cur / 2;
  if (limits_.max_connections <= half) return;
  Log(LogLevel::kWarning, "fewer connections by HTTP than set, so that files are left for others (ulimit -n)",
      {{"connections", static_cast<int64_t>(half)}});
  limits_.max_connections = half;
}

bool Server::Impl::Reserve(size_t bytes) {
  if (reserved_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= kMaxReservedBytes) return true;
  Release(bytes);
  return false;
}

absl::Status Server::Impl::Start(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  if (colon == std::string::npos) return absl::InvalidArgumentError("that is not host:port");
  std::string host = listen.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  error_code error;
  const auto endpoints = tcp::resolver(io_).resolve(host, listen.substr(colon + 1), tcp::resolver::passive, error);
  if (error || endpoints.empty()) return absl::InvalidArgumentError(error.message());
  const tcp::endpoint endpoint = *endpoints.begin();
  LeaveRoom();
  // One strand for both.
  acceptor_.emplace(asio::make_strand(io_));
  accept_pause_.emplace(acceptor_->get_executor());
  acceptor_->open(endpoint.protocol(), error);
  if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_->bind(endpoint, error);
  if (!error) acceptor_->listen(tcp::acceptor::max_listen_connections, error);
  if (error) return absl::UnavailableError(error.message());
  Accept();
  for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { io_.run(); });
  Log(LogLevel::kInfo, "listening for HTTP",
      {{"address", listen}, {"port", int64_t{acceptor_->local_endpoint().port()}}});
  return absl::OkStatus();
}

void Server::Impl::Accept() {
  acceptor_->async_accept(asio::make_strand(io_), [self = shared_from_this()](error_code error, tcp::socket socket) {
    if (self->is_draining()) return;
    if (error) {
      self->accept_pause_->expires_after(kAcceptPause);
      return self->accept_pause_->async_wait([self](error_code) {
        if (!self->is_draining()) self->Accept();
      });
    }
    auto connection = std::make_shared<Connection>(self, std::move(socket));
    bool has_place;
    {
      absl::MutexLock lock(&self->mutex_);
      has_place = self->connections_.size() < self->limits_.max_connections;
      if (has_place) self->connections_.insert(connection.get());
    }
    if (has_place) connection->Start();
    self->Accept();
  });
}

void Server::Impl::Leave(Connection& connection) {
  absl::MutexLock lock(&mutex_);
  connections_.erase(&connection);
}

std::vector<std::shared_ptr<Server::Impl::Connection>> Server::Impl::connections() {
  std::vector<std::shared_ptr<Connection>> connections;
  absl::MutexLock lock(&mutex_);
  for (Connection* connection : connections_) {
    // One that is just ending has nobody who holds it.
    if (auto held = connection->weak_from_this().lock()) connections.push_back(std::move(held));
  }
  return connections;
}

void Server::Impl::Drain() {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(is_draining_, true)) return;
  }
  if (!acceptor_) return;
  asio::post(acceptor_->get_executor(), [self = shared_from_this()] {
    error_code ignored;
    self->acceptor_->close(ignored);
    self->accept_pause_->cancel();
  });
  for (const auto& connection : connections()) connection->Drain();
}

void Server::Impl::Stop(absl::Time deadline) {
  Drain();
  const auto await_empty = [this](absl::Time until) {
    const auto is_empty = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return connections_.empty(); };
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithDeadline(absl::Condition(&is_empty), until);
  };
  await_empty(std::min(deadline, absl::Now() + kLastRequests));
  for (const auto& connection : connections()) connection->GiveUpReading();
  await_empty(deadline);
  for (const auto& connection : connections()) connection->Abort();
  await_empty(absl::Now() + absl::Seconds(1));
  has_stopped_ = true;
  io_.stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  // What was posted before: it holds connections, and they us.
  io_.restart();
  io_.poll();
}

Server::Server(const Limits& limits, Handler handler) : impl_(std::make_shared<Impl>(limits, std::move(handler))) {}
Server::~Server() { Stop(absl::InfinitePast()); }
absl::Status Server::Start(const std::string& listen) { return impl_->Start(listen); }
void Server::Drain() { impl_->Drain(); }
void Server::Stop(absl::Time deadline) { impl_->Stop(deadline); }

}  // namespace parley::gateway::http
