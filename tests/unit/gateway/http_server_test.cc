// The server over real connections of this machine.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "services/gateway/http/server.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"

namespace parley::gateway::http {
namespace {

using test::Eventually;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// A client that says byte for byte what it is told.
class Client {
 public:
  explicit Client(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    // So that a reader that takes nothing is soon behind.
    const int small = 4096;
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Client() { Close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Close() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }

  bool Send(std::string_view text) const { return send(socket_, text.data(), text.size(), MSG_NOSIGNAL) > 0; }

  // All that has come, once it ends so.
  std::string ReadUntil(const std::string& end) {
    const absl::Time deadline = absl::Now() + test::kPatience;
    while (!absl::EndsWith(text_, end) && absl::Now() < deadline && ReadSome(deadline)) {
    }
    return std::exchange(text_, "");
  }

  // All that has come, once the server has closed.
  std::string ReadToTheEnd() {
    const absl::Time deadline = absl::Now() + test::kPatience;
    while (absl::Now() < deadline && ReadSome(deadline)) {
    }
    EXPECT_LT(absl::Now(), deadline) << "the server does not close";
    return std::exchange(text_, "");
  }

 private:
  bool ReadSome(absl::Time deadline) {
    pollfd waiting{socket_, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(deadline - absl::Now()))) <= 0) return false;
    char buffer[4096];
    const auto size = recv(socket_, buffer, sizeof(buffer), 0);
    if (size > 0) text_.append(buffer, static_cast<size_t>(size));
    return size > 0;
  }

  int socket_;
  std::string text_;
};

// Answers with what it was asked; `/hold` when it is told to, `/stream` with three pieces, `/flood` with pieces for as
// long as they are taken.
class HttpServer : public testing::Test {
 protected:
  void Start(const Limits& limits = {}) {
    server_.emplace(limits, [this](const Request& request, std::shared_ptr<Exchange> exchange) {
      Answer(request, std::move(exchange));
    });
    EXPECT_TRUE(Eventually([this] {
      port_ = test::FreePort();
      return server_->Start(absl::StrCat("127.0.0.1:", port_)).ok();
    }));
  }

  void Answer(const Request& request, std::shared_ptr<Exchange> exchange) {
    ++requests_;
    if (request.path == "/hold") {
      exchange->OnGone([this] { gone_.Notify(); });
      held_ = std::move(exchange);
      return holding_.Notify();
    }
    if (request.path == "/stream") {
      exchange->Begin({200, {{"x-stream", "1"}}, ""});
      for (const char* piece : {"a", "bb", ""}) {
        if (*piece != '\0') exchange->Write(piece, [](bool taken) { EXPECT_TRUE(taken); });
      }
      return exchange->End();
    }
    if (request.path == "/flood") {
      exchange->Begin({});
      return Flood(exchange);
    }
    exchange->Send(
        {200,
         {{"content-type", "text/plain"}},
         absl::StrCat(request.method, " ", request.path, " ", request.query, " ",
                      request.is_too_large ? "large" : request.body, " ", std::string(request.Header("x-mine")), " ",
                      request.client, " ", request.takes_chunks, ".")});
  }

  void Flood(const std::shared_ptr<Exchange>& exchange) {
    exchange->Write(std::string(100000, 'x'), [this, exchange](bool taken) {
      if (taken) return Flood(exchange);
      gone_.Notify();
    });
  }

  int port_ = 0;
  std::atomic<int> requests_ = 0;
  absl::Notification holding_, gone_;
  std::shared_ptr<Exchange> held_;
  std::optional<Server> server_;
};

TEST_F(HttpServer, AnswersOneRequestAfterTheOther) {
  Start();
  Client client(port_);
  client.Send("GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Mine: 1\r\n\r\n");
  const std::string first = client.ReadUntil(".");
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(first, HasSubstr("\r\ncontent-type: text/plain\r\n"));
  EXPECT_THAT(first, HasSubstr(" GMT\r\n"));
  EXPECT_THAT(first, EndsWith("\r\n\r\nGET /a b=c  1 127.0.0.1 1."));
  client.Send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_THAT(client.ReadUntil("."), EndsWith("POST /b  abc  127.0.0.1 1."));
  // In pieces; and two at once, of which each waits for its turn.
  client.Send(
      "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\nGET /d "
      "HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string both = client.ReadUntil("GET /d    127.0.0.1 1.");
  EXPECT_THAT(both, HasSubstr("POST /c  abc  127.0.0.1 1."));
  EXPECT_THAT(both, EndsWith("GET /d    127.0.0.1 1."));
  client.Send("HEAD /e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string head = client.ReadToTheEnd();
  EXPECT_THAT(head, HasSubstr("content-length: 23\r\n"));
  EXPECT_THAT(head, EndsWith("connection: close\r\n\r\n"));
}

TEST_F(HttpServer, SpeaksTheOlderVersionToo) {
  Start();
  Client client(port_);
  client.Send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.ReadToTheEnd(), EndsWith("GET /a    127.0.0.1 0."));
}

TEST_F(HttpServer, AsksForABodyThatWaitsForIt) {
  Start();
  Client client(port_);
  client.Send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("abc");
  EXPECT_THAT(client.ReadUntil("."), EndsWith("POST /a  abc  127.0.0.1 1."));
}

TEST_F(HttpServer, SendsStreamsInChunks) {
  Start();
  Client client(port_);
  client.Send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string answer = client.ReadUntil("0\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("\r\nx-stream: 1\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\ntransfer-encoding: chunked\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n1\r\na\r\n2\r\nbb\r\n0\r\n\r\n"));
  client.Send("GET /after HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("."), EndsWith("GET /after    127.0.0.1 1."));
}

TEST_F(HttpServer, HandsOverThatABodyIsTooLarge) {
  Start({.max_body_bytes = 1000});
  for (const bool is_announced : {true, false}) {
    Client client(port_);
    client.Send(is_announced ? "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n"
                             : "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7a120\r\n");
    // What the client sends meanwhile is taken, so that the answer reaches it.
    std::thread sending([&client] {
      for (int i = 0; i < 100 && client.Send(std::string(5000, 'x')); ++i) {
      }
    });
    EXPECT_THAT(client.ReadUntil("."), EndsWith("POST /a  large  127.0.0.1 1."));
    sending.join();
  }
}

TEST_F(HttpServer, RefusesWhatIsNoHttp) {
  Start({.max_header_bytes = 2000});
  Client garbage(port_);
  garbage.Send("what is this\r\n\r\n");
  EXPECT_THAT(garbage.ReadToTheEnd(), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  Client large(port_);
  large.Send(absl::StrCat("GET / HTTP/1.1\r\nHost: x\r\nX-Large: ", std::string(3000, 'x'), "\r\n\r\n"));
  EXPECT_THAT(large.ReadToTheEnd(), StartsWith("HTTP/1.1 431 "));
  EXPECT_EQ(requests_, 0);
}

TEST_F(HttpServer, RefusesWhatOthersMayReadOtherwise) {
  Start();
  const std::string next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string chunks = "0\r\n\r\n" + next;
  for (const std::string& request : {
           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n" + next,
           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n" + next,
           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" + next,
           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + chunks,
           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n" + next,
           "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
           "GET / HTTP/1.1\r\n\r\n" + next,
           "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + next,
       }) {
    Client client(port_);
    client.Send(request);
    EXPECT_THAT(client.ReadToTheEnd(), StartsWith("HTTP/1.1 400 ")) << request;
  }
  EXPECT_EQ(requests_, 0);
}

TEST_F(HttpServer, BoundsWhatIsBesideTheBody) {
  Start();
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string trailers;
  for (int i = 0; i < 10000; ++i) trailers += "x-a: 1\r\n";
  for (const std::string& rest :
       {"2;" + std::string(100000, 'x'), "0\r\nx-a: " + std::string(100000, 'x'), "0\r\n" + trailers}) {
    Client client(port_);
    client.Send(head + rest);
    EXPECT_THAT(client.ReadToTheEnd(), StartsWith("HTTP/1.1 431 ")) << rest.substr(0, 10);
  }
  EXPECT_EQ(requests_, 0);
}

TEST_F(HttpServer, TrailersAreNoHeaders) {
  Start();
  Client client(port_);
  client.Send("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Mine: 1\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("."), EndsWith("POST /a  a  127.0.0.1 1."));
}

TEST_F(HttpServer, TakesWholeAddresses) {
  Start();
  for (const char* address : {"http://x/a?b", "https://x:1/a?b"}) {
    Client client(port_);
    client.Send(absl::StrCat("GET ", address, " HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_THAT(client.ReadUntil("."), EndsWith("GET /a b   127.0.0.1 1."));
  }
}

TEST_F(HttpServer, NoticesThatAClientHasGone) {
  Start();
  Client client(port_);
  client.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(holding_.WaitForNotificationWithTimeout(test::kPatience));
  EXPECT_FALSE(gone_.HasBeenNotified());
  client.Close();
  EXPECT_TRUE(gone_.WaitForNotificationWithTimeout(test::kPatience));
  // What comes now is dropped, and said to be.
  absl::Notification late;
  held_->Begin({});
  held_->Write("x", [&late](bool taken) {
    EXPECT_FALSE(taken);
    late.Notify();
  });
  EXPECT_TRUE(late.WaitForNotificationWithTimeout(test::kPatience));
}

TEST_F(HttpServer, ARequestThatFollowsIsNoGoing) {
  Start();
  Client client(port_);
  client.Send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
  client.ReadUntil(".");
  client.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(holding_.WaitForNotificationWithTimeout(test::kPatience));
  held_->Send({200, {}, "held."});
  EXPECT_THAT(client.ReadUntil("GET /next    127.0.0.1 1."), HasSubstr("held."));
  EXPECT_FALSE(gone_.HasBeenNotified());
}

TEST_F(HttpServer, GivesUpAReaderThatTakesNothing) {
  Start({.patience = absl::Milliseconds(300)});
  Client client(port_);
  client.Send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(gone_.WaitForNotificationWithTimeout(test::kPatience));
}

TEST_F(HttpServer, GivesUpARequestThatDoesNotCome) {
  Start({.patience = absl::Milliseconds(300)});
  Client head(port_);
  head.Send("GET / HTTP/1.1\r\nHost:");
  EXPECT_EQ(head.ReadToTheEnd(), "");
  Client body(port_);
  body.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na");
  EXPECT_EQ(body.ReadToTheEnd(), "");
  EXPECT_EQ(requests_, 0);
}

TEST_F(HttpServer, ClosesWhatIsIdle) {
  Start({.idle = absl::Seconds(1)});
  Client client(port_);
  client.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.ReadToTheEnd(), EndsWith("GET /    127.0.0.1 1."));
}

TEST_F(HttpServer, ClosesConnectionsBeyondItsLimit) {
  Start({.max_connections = 1});
  Client first(port_);
  first.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(first.ReadUntil("."), HasSubstr("GET /a"));
  Client second(port_);
  EXPECT_EQ(second.ReadToTheEnd(), "");
  first.Close();
  // Once the server has seen that the first has gone.
  EXPECT_TRUE(Eventually([this] {
    Client third(port_);
    return third.Send("GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") &&
           absl::StrContains(third.ReadToTheEnd(), "GET /c");
  }));
}

TEST_F(HttpServer, FinishesWhatIsUnderWayAndEnds) {
  Start();
  Client busy(port_);
  busy.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(holding_.WaitForNotificationWithTimeout(test::kPatience));
  Client idle(port_);
  idle.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.ReadUntil(".");
  server_->Drain();
  EXPECT_EQ(idle.ReadToTheEnd(), "");
  std::thread stopping([this] { server_->Stop(absl::Now() + test::kPatience); });
  held_->Send({200, {}, "held."});
  EXPECT_THAT(busy.ReadToTheEnd(), EndsWith("held."));
  stopping.join();
}

TEST_F(HttpServer, EndsInTimeWhateverIsUnderWay) {
  Start();
  Client busy(port_);
  busy.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(holding_.WaitForNotificationWithTimeout(test::kPatience));
  server_->Stop(absl::Now());
  EXPECT_TRUE(gone_.HasBeenNotified());
  EXPECT_EQ(busy.ReadToTheEnd(), "");
  held_->Send({});
}

TEST_F(HttpServer, SaysWhyItCannotListen) {
  Start();
  Server other({}, [](const Request&, const std::shared_ptr<Exchange>&) {});
  EXPECT_THAT(std::string(other.Start(absl::StrCat("127.0.0.1:", port_)).message()), HasSubstr("in use"));
  for (const char* bad : {"7080", "nowhere.invalid:80", "127.0.0.1:x"}) {
    Server server({}, [](const Request&, const std::shared_ptr<Exchange>&) {});
    EXPECT_EQ(server.Start(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace parley::gateway::http
