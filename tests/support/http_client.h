// Calls over HTTP as a program makes them that has no stubs: by libcurl. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace parley::test {

struct HttpRequest {
  std::string url;
  std::string method = "POST";
  std::map<std::string, std::string> headers = {};
  std::string body = {};
  std::string from = "127.0.0.1";  // our own address
  // Called with all of the body that is there, each time that more has come.
  std::function<void(const std::string& body)> on_body = nullptr;
};

struct HttpAnswer {
  int status = 0;                              // 0: there was none
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // as far as it came
};

// Waits for the answer, for as long as anything may take.
HttpAnswer Send(const HttpRequest& request);

}  // namespace parley::test
