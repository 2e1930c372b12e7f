// A receiver of webhooks for tests, a process of its own (tests/support/webhook_receiver.py): it keeps what it is sent,
// and answers as it is told. Its certificate is its own, for localhost.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace parley::test {

struct WebhookRequest {
  std::string method;
  std::string target;                          // the path, with its query
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
  std::string header(const std::string& name) const { return headers.contains(name) ? headers.at(name) : ""; }
  // Whether it is signed by this secret, `whsec_...`, as standardwebhooks.com says, within the last minutes.
  bool IsSignedBy(const std::string& secret) const;
};

class WebhookReceiver {
 public:
  WebhookReceiver();

  // `path` begins with a slash, and tells what it is to do.
  std::string url(const std::string& path) const;
  // The one that is to be trusted, in PEM.
  std::string certificate_file() const { return folder_.path() + "/certificate"; }
  // From now on requests to this path are answered so: see webhook_receiver.py. 200 at first.
  void Do(const std::string& path, const std::string& what);
  // All that came to this path, oldest first.
  std::vector<WebhookRequest> Requests(const std::string& path) const;
  // Is away until Start, and comes back where it was.
  void Stop() { process_.reset(); }
  void Start();

 private:
  const TemporaryFolder folder_;
  int port_ = 0;
  nlohmann::json what_ = nlohmann::json::object();
  std::unique_ptr<Process> process_;
};

}  // namespace parley::test
