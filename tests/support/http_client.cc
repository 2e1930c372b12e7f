#include "tests/support/http_client.h"

#include <curl/curl.h>

#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/support/process.h"

namespace parley::test {
namespace {

struct Exchange {
  const HttpRequest& request;
  HttpAnswer answer;
};

size_t AddBody(char* bytes, size_t, size_t size, void* exchange) {
  auto& [request, answer] = *static_cast<Exchange*>(exchange);
  answer.body.append(bytes, size);
  if (request.on_body) request.on_body(answer.body);
  return size;
}

size_t AddHeader(char* bytes, size_t, size_t size, void* exchange) {
  const std::string_view line(bytes, size);
  if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    const std::string_view value = line.substr(colon + 1);
    static_cast<Exchange*>(exchange)->answer.headers[absl::AsciiStrToLower(std::string(line.substr(0, colon)))] =
        std::string(absl::StripAsciiWhitespace({value.data(), value.size()}));
  }
  return size;
}

}  // namespace

HttpAnswer Send(const HttpRequest& request) {
  Exchange exchange{request, {}};
  CURL* const curl = curl_easy_init();
  curl_slist* headers = nullptr;
  for (const auto& [name, value] : request.headers) {
    headers = curl_slist_append(headers, absl::StrCat(name, ": ", value).c_str());
  }
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_INTERFACE, request.from.c_str());
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(kPatience)));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, AddBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, AddHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  if (request.method == "POST") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  } else if (request.method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else {
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  exchange.answer.status = static_cast<int>(status);
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  return exchange.answer;
}

}  // namespace parley::test
