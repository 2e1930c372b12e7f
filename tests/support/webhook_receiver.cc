#include "tests/support/webhook_receiver.h"

#include <openssl/hmac.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace parley::test {

bool WebhookRequest::IsSignedBy(const std::string& secret) const {
  std::string key;
  int64_t timestamp = 0;
  if (!secret.starts_with("whsec_") || !absl::Base64Unescape(secret.substr(6), &key)) return false;
  if (!absl::SimpleAtoi(header("webhook-timestamp"), &timestamp)) return false;
  if (absl::AbsDuration(absl::Now() - absl::FromUnixSeconds(timestamp)) > absl::Minutes(5)) return false;
  const std::string text = absl::StrCat(header("webhook-id"), ".", timestamp, ".", body);
  std::string mac(32, '\0');
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), reinterpret_cast<unsigned char*>(mac.data()), nullptr);
  return header("webhook-signature") == "v1," + absl::Base64Escape(mac);
}

WebhookReceiver::WebhookReceiver() {
  const Output made =
      Run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
           "-addext", "subjectAltName=DNS:localhost", "-keyout", folder_.path() + "/key", "-out", certificate_file()});
  if (made.exit_code != 0) Die("openssl makes no certificate: " + made.err);
  Start();
}

void WebhookReceiver::Start() {
  const std::string port_file = folder_.path() + "/port";
  std::filesystem::remove(port_file);
  process_ = std::make_unique<Process>(
      std::vector<std::string>{"/usr/bin/python3", "-I", PARLEY_WEBHOOK_RECEIVER, "--folder", folder_.path(),
                               "--port-file", port_file, "--port", absl::StrCat(port_), "--certificate",
                               certificate_file(), "--key", folder_.path() + "/key"},
      Environment{}, folder_.path() + "/out", folder_.path() + "/err");
  if (!Eventually([&] { return std::filesystem::exists(port_file); })) {
    Die("the receiver of webhooks does not start: " + Content(folder_.path() + "/err"));
  }
  port_ = std::atoi(Content(port_file).c_str());
}

std::string WebhookReceiver::url(const std::string& path) const {
  return absl::StrCat("https://localhost:", port_, path);
}

void WebhookReceiver::Do(const std::string& path, const std::string& what) {
  what_[path] = what;
  const std::string file = folder_.path() + "/do.json";
  std::ofstream(file + ".new") << what_.dump();
  std::filesystem::rename(file + ".new", file);
}

std::vector<WebhookRequest> WebhookReceiver::Requests(const std::string& path) const {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    if (entry.path().extension() == ".request") files.insert(entry.path());
  }
  std::vector<WebhookRequest> requests;
  for (const auto& file : files) {
    const auto request = nlohmann::json::parse(Content(file));
    if (request["path"] != path) continue;
    requests.push_back({request["method"], request["target"], request["headers"], request["body"]});
  }
  return requests;
}

}  // namespace parley::test
