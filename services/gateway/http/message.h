// HTTP as its server and those who answer see it: a request that is there as a whole, and the way to answer it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace parley::gateway::http {

// Names are in lower case.
using Headers = std::multimap<std::string, std::string>;

struct Request {
  std::string method;
  std::string path;   // as it was sent, without the query
  std::string query;  // what follows the first `?`
  Headers headers;
  std::string body;
  bool is_too_large = false;  // then the body is not there
  bool takes_chunks = true;   // HTTP/1.1
  std::string client;         // the IP address

  // The one value of a header; empty where there is none, or several.
  std::string_view Header(const std::string& name) const;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

// The way to answer one request: by one Send, or piece by piece: Begin, some Writes, End. What comes after the client
// has gone, or after the end, is dropped. Thread-safe, but the pieces' order is the callers' matter.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual void Send(Response response) = 0;
  // Status and headers; the body is not looked at.
  virtual void Begin(Response response) = 0;
  // `done` is called once, on a thread of the server's: whether the client takes more.
  virtual void Write(std::string piece, std::function<void(bool)> done) = 0;
  virtual void End() = 0;
  // Called once on a thread of the server's where the client goes before the end, at once where it has gone.
  virtual void OnGone(std::function<void()> gone) = 0;
  // Runs it on a thread of the server's, one at a time of all that concerns this exchange.
  virtual void Post(std::function<void()> work) = 0;
};

}  // namespace parley::gateway::http
