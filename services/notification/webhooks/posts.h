// HTTP requests that are under way, as many as are begun, on one thread: none waits for another. HTTPS with certificate
// checks, without proxies and redirects, and only to addresses that are public: that is asked of the very address that
// is dialled.
#pragma once

#include <curl/curl.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace parley::notification {

struct PostSettings {
  absl::Duration timeout = absl::Seconds(10);  // of a request, from the name's resolution to the end of the response
  bool private_targets = false;                // whether addresses that are not public are dialled too
  std::string ca_file = "";                    // whose certificates are trusted, PEM; empty: those of the system
};

struct Post {
  std::string url;
  std::vector<std::string> headers;  // `name: value`
  std::string body;
};

struct PostResult {
  int http_status = 0;  // of the response; 0 where there was none
  // What went wrong, for people: printable ASCII, at most 200 bytes, without the url. Empty where the response was 2xx.
  std::string detail;
};

// For one thread, but for Wake.
class Posts {
 public:
  // curl_global_init must have been called.
  explicit Posts(PostSettings settings);
  // Those that are under way are given up.
  ~Posts();

  // `id` is the caller's, of one that is not under way.
  void Begin(int64_t id, const Post& post);
  // Works until some have ended, Wake was called, or the time is up; answers with those that have ended.
  std::vector<std::pair<int64_t, PostResult>> Run(absl::Duration timeout);
  // Gives up all that are under way, and answers with their ids.
  std::vector<int64_t> Abandon();
  // Ends a Run that waits, or the next one. Thread-safe.
  void Wake();

 private:
  struct Transfer;
  std::vector<std::pair<int64_t, PostResult>> TakeEnded();

  const PostSettings settings_;
  const std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)> multi_;
  std::map<CURL*, std::unique_ptr<Transfer>> under_way_;
  std::vector<std::pair<int64_t, PostResult>> never_begun_;
};

}  // namespace parley::notification
