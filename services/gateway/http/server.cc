#include "services/gateway/http/server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

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
// Before the next try where no connection could be taken: the process has no file descriptor left.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

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
  bool is_draining() {
    absl::MutexLock lock(&mutex_);
    return is_draining_;
  }
  std::vector<std::shared_ptr<Connection>> connections();

  const Limits limits_;
  const Handler handler_;
  asio::io_context io_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<asio::steady_timer> accept_pause_;
  std::vector<std::thread> threads_;
  absl::Mutex mutex_;
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Connection*> connections_ ABSL_GUARDED_BY(mutex_);
};

// A connection, on a strand of its own: one request after the other.
class Server::Impl::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Impl> server, tcp::socket socket)
      : server_(std::move(server)), stream_(std::move(socket)) {
    error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    // What is never acknowledged, because the client has vanished without a word.
    const auto patience = static_cast<unsigned>(absl::ToInt64Milliseconds(server_->limits_.patience));
    setsockopt(stream_.socket().native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof(patience));
    const auto endpoint = stream_.socket().remote_endpoint(ignored);
    client_ = endpoint.address().to_string(ignored);
  }
  ~Connection() { server_->Leave(*this); }

  void Start() {
    Post([this] { AwaitRequest(); });
  }

  // Closes it as soon as it has nothing to answer.
  void Drain() {
    Post([this] {
      if (answer_ == nullptr && !is_reading_request_) Close();
    });
  }

  void Abort() {
    Post([this] { Break(); });
  }

  void Post(std::function<void()> work) {
    asio::post(stream_.get_executor(), [self = shared_from_this(), work = std::move(work)] { work(); });
  }

  // Those of the answer that is under way; of another one they do nothing.

  void Send(const Answer& answer, Response response);
  void Begin(const Answer& answer, const Response& response);
  void Write(const Answer& answer, std::string piece, std::function<void(bool)> done);
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
    stream_.async_read_some(buffer_.prepare(4096), React([this](error_code error, size_t size) {
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
                                     if (error) return Misread(error);
                                     if (beast::iequals(parser_->get()[beast::http::field::expect], "100-continue")) {
                                       return SendContinue();
                                     }
                                     ReadBody();
                                   }));
  }

  void SendContinue() {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(stream_, asio::buffer(kContinue), React([this](error_code error, size_t) {
                        if (error) return Close();
                        ReadBody();
                      }));
  }

  void ReadBody() {
    beast::http::async_read(stream_, buffer_, *parser_, React([this](error_code error, size_t) {
                              if (error) return Misread(error);
                              Handle();
                            }));
  }

  void Misread(error_code error) {
    using beast::http::error::body_limit, beast::http::error::header_limit, beast::http::error::end_of_stream;
    if (error == body_limit) {
      is_refusing_ = true;
      return Handle();
    }
    const bool is_http = error.category() == beast::http::make_error_code(header_limit).category();
    if (!is_http || error == end_of_stream || error == beast::http::error::partial_message) return Close();
    is_refusing_ = true;
    Answer& answer = NewAnswer();
    Send(answer,
         error == header_limit
             ? Response{431, {{"content-type", "text/plain"}}, "the request's head is too large\n"}
             : Response{400, {{"content-type", "text/plain"}}, absl::StrCat("bad HTTP: ", error.message(), "\n")});
  }

  void Handle();
  Answer& NewAnswer();

  // While a request is answered nothing is read, but whether the client is still there.
  void LookAfterClient() {
    stream_.socket().async_wait(tcp::socket::wait_read, React([this, number = number_](error_code error) {
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

  void Queue(Piece piece) {
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
    stream_.async_read_some(buffer_.prepare(64 << 10), React([this, so_far](error_code error, size_t size) {
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
    stream_.close();
    server_->Leave(*this);
  }

  const std::shared_ptr<Impl> server_;
  beast::tcp_stream stream_;
  std::string client_;
  beast::flat_buffer buffer_;
  std::optional<beast::http::request_parser<beast::http::string_body>> parser_;
  bool is_reading_request_ = false;
  bool is_refusing_ = false;  // the request was not read to its end
  bool is_keeping_ = true;    // the connection is kept after this answer
  bool is_head_ = false;      // the answer has no body
  int64_t number_ = 0;        // of the request
  std::shared_ptr<Answer> answer_;
  std::function<void()> gone_;
  std::deque<Piece> pieces_;
};

class Server::Impl::Answer final : public Exchange, public std::enable_shared_from_this<Answer> {
 public:
  explicit Answer(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

  void Send(Response response) override {
    connection_->Post([self = shared_from_this(), response = std::move(response)]() mutable {
      self->connection_->Send(*self, std::move(response));
    });
  }
  void Begin(Response response) override {
    connection_->Post(
        [self = shared_from_this(), response = std::move(response)] { self->connection_->Begin(*self, response); });
  }
  void Write(std::string piece, std::function<void(bool)> done) override {
    connection_->Post([self = shared_from_this(), piece = std::move(piece), done = std::move(done)]() mutable {
      self->connection_->Write(*self, std::move(piece), std::move(done));
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
  is_keeping_ = !is_refusing_ && parser_->get().keep_alive() && !server_->is_draining();
  is_head_ = parser_->get().method() == beast::http::verb::head;
  ++number_;
  answer_ = std::make_shared<Answer>(shared_from_this());
  return *answer_;
}

void Server::Impl::Connection::Handle() {
  auto& read = parser_->get();
  Request request;
  request.method = std::string(read.method_string());
  const std::string target(read.target());
  const size_t query = target.find('?');
  request.path = target.substr(0, query);
  if (query != std::string::npos) request.query = target.substr(query + 1);
  for (const auto& field : read) request.headers.emplace(Lower(field.name_string()), std::string(field.value()));
  request.is_too_large = is_refusing_;
  if (!is_refusing_) request.body = std::move(read.body());
  request.takes_chunks = read.version() >= 11;
  request.client = client_;
  NewAnswer();
  LookAfterClient();
  server_->handler_(std::move(request), answer_);
}

void Server::Impl::Connection::Send(const Answer& answer, Response response) {
  if (&answer != answer_.get()) return;
  std::string bytes = HeadOf(response, true);
  if (!is_head_) bytes += response.body;
  Queue({std::move(bytes), nullptr, true});
}

void Server::Impl::Connection::Begin(const Answer& answer, const Response& response) {
  if (&answer == answer_.get()) Queue({HeadOf(response, false), nullptr});
}

void Server::Impl::Connection::Write(const Answer& answer, std::string piece, std::function<void(bool)> done) {
  if (&answer != answer_.get()) return done(false);
  Queue({absl::StrCat(absl::Hex(piece.size()), "\r\n", piece, "\r\n"), std::move(done)});
}

void Server::Impl::Connection::End(const Answer& answer) {
  if (&answer == answer_.get()) Queue({"0\r\n\r\n", nullptr, true});
}

void Server::Impl::Connection::OnGone(const Answer& answer, std::function<void()> gone) {
  if (&answer != answer_.get()) return gone();
  gone_ = std::move(gone);
}

absl::Status Server::Impl::Start(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  if (colon == std::string::npos) return absl::InvalidArgumentError(absl::StrCat(listen, " is not host:port"));
  std::string host = listen.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  error_code error;
  const auto endpoints = tcp::resolver(io_).resolve(host, listen.substr(colon + 1), tcp::resolver::passive, error);
  if (error || endpoints.empty()) return absl::InvalidArgumentError(absl::StrCat(listen, ": ", error.message()));
  const tcp::endpoint endpoint = *endpoints.begin();
  acceptor_.emplace(io_);
  accept_pause_.emplace(io_);
  acceptor_->open(endpoint.protocol(), error);
  if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_->bind(endpoint, error);
  if (!error) acceptor_->listen(tcp::acceptor::max_listen_connections, error);
  if (error) return absl::UnavailableError(absl::StrCat(listen, ": ", error.message()));
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
  const auto is_empty = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return connections_.empty(); };
  {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithDeadline(absl::Condition(&is_empty), deadline);
  }
  for (const auto& connection : connections()) connection->Abort();
  {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&is_empty), absl::Seconds(1));
  }
  io_.stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

Server::Server(const Limits& limits, Handler handler) : impl_(std::make_shared<Impl>(limits, std::move(handler))) {}
Server::~Server() { Stop(absl::InfinitePast()); }
absl::Status Server::Start(const std::string& listen) { return impl_->Start(listen); }
void Server::Drain() { impl_->Drain(); }
void Server::Stop(absl::Time deadline) { impl_->Stop(deadline); }

}  // namespace parley::gateway::http
