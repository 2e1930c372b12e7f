#include "services/gateway/http/page.h"

#include <openssl/sha.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/gateway/http/page_files.h"

namespace parley::gateway::http {
namespace {

constexpr std::string_view kParts = "/page/";
constexpr std::string_view kEvents = "/events/";
// It calls its own origin alone, and takes scripts, styles and images from there. Text becomes no markup in it.
constexpr char kPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

std::string TypeOf(std::string_view name) {
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/html; charset=utf-8";
}

// As gzip (RFC 1952) has it: a third of what the page is, on the way to a phone.
std::string Compressed(std::string_view text) {
  z_stream stream{};
  constexpr int kWindowBits = 15 + 16;  // the largest, with gzip's head
  constexpr int kMemLevel = 9;
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kWindowBits, kMemLevel, Z_DEFAULT_STRATEGY);
  std::string bytes(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  deflate(&stream, Z_FINISH);
  bytes.resize(stream.total_out);
  deflateEnd(&stream);
  return bytes;
}

std::string TagOf(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  // Weak: it stands for both encodings.
  return absl::StrCat("W/\"", absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), 8}), "\"");
}

// The file that a path stands for; empty where none.
std::string_view NameUnder(std::string_view path) {
  if (path == "/" || (path.starts_with(kEvents) && path.find('/', kEvents.size()) == std::string_view::npos)) {
    return "index.html";
  }
  if (!path.starts_with(kParts)) return {};
  const std::string_view name = path.substr(kParts.size());
  return name.ends_with(".html") ? std::string_view() : name;
}

void AddPolicy(Headers& headers) {
  headers.emplace("content-security-policy", kPolicy);
  headers.emplace("referrer-policy", "no-referrer");
  headers.emplace("x-content-type-options", "nosniff");
  headers.emplace("cross-origin-opener-policy", "same-origin");
  headers.emplace("cross-origin-resource-policy", "same-origin");
}

}  // namespace

std::string_view PageFile(std::string_view name) {
  const auto* const found = std::find_if(std::begin(page_files::kFiles), std::end(page_files::kFiles),
                                         [&](const auto& file) { return file.first == name; });
  return found == std::end(page_files::kFiles) ? std::string_view() : found->second;
}

std::optional<Response> PageUnder(const Request& request) {
  struct File {
    std::string_view text;
    std::string compressed;
    std::string tag;
  };
  static const auto* files = [] {
    auto* made = new std::map<std::string_view, File>;
    for (const auto& [name, text] : page_files::kFiles) made->emplace(name, File{text, Compressed(text), TagOf(text)});
    return made;
  }();
  const auto found = files->find(NameUnder(request.path));
  if (found == files->end()) return std::nullopt;
  const auto& [name, file] = *found;
  Response response;
  // Asked for each time, so that a new version is seen at once; sent where it is another one.
  response.headers = {{"etag", file.tag}, {"cache-control", "no-cache"}, {"vary", "accept-encoding"}};
  AddPolicy(response.headers);
  if (request.Header("if-none-match") == file.tag) {
    response.status = 304;
    return response;
  }
  response.headers.emplace("content-type", TypeOf(name));
  const std::string_view accepted = request.Header("accept-encoding");
  if (accepted.find("gzip") != std::string_view::npos && accepted.find("gzip;q=0") == std::string_view::npos) {
    response.headers.emplace("content-encoding", "gzip");
    response.body = file.compressed;
  } else {
    response.body = std::string(file.text);
  }
  return response;
}

Response HtmlPage(int status, std::string html) {
  Response response{status, {{"content-type", TypeOf(".html")}, {"cache-control", "no-store"}}, std::move(html)};
  AddPolicy(response.headers);
  return response;
}

}  // namespace parley::gateway::http
