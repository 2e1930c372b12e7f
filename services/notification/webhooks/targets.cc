#include "services/notification/webhooks/targets.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace parley::notification {
namespace {

constexpr size_t kMaxUrlBytes = 2048;

// All addresses that begin with so many bits of `bytes`.
struct Block {
  std::array<uint8_t, 16> bytes;
  int bits;
};

constexpr Block kNotPublic4[] = {
    {{0}, 8},              // this network
    {{10}, 8},             // private
    {{100, 64}, 10},       // shared, of providers
    {{127}, 8},            // loopback
    {{169, 254}, 16},      // link-local, with the metadata services of clouds
    {{172, 16}, 12},       // private
    {{192, 0, 0}, 24},     // protocols
    {{192, 0, 2}, 24},     // documentation
    {{192, 88, 99}, 24},   // 6to4 relays, which are no more
    {{192, 168}, 16},      // private
    {{198, 18}, 15},       // benchmarks
    {{198, 51, 100}, 24},  // documentation
    {{203, 0, 113}, 24},   // documentation
    {{224}, 4},            // multicast
    {{240}, 4},            // reserved, broadcast
};

// What the internet's addresses begin with, so far; all others are for something else, or for nothing yet.
constexpr Block kGlobal6 = {{0x20}, 3};
constexpr Block kNotPublic6[] = {
    {{0x20, 0x01, 0}, 23},           // protocols, with Teredo
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
    {{0x3f, 0xff, 0}, 20},           // documentation
};

// What leads to the IPv4 address behind the bits.
constexpr Block kLeadsTo4[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},  // mapped
    {{0, 0x64, 0xff, 0x9b}, 96},                       // NAT64
    {{0x20, 0x02}, 16},                                // 6to4
};

bool IsIn(std::span<const uint8_t> address, const Block& block) {
  for (int bit = 0; bit < block.bits; ++bit) {
    const auto byte = static_cast<size_t>(bit / 8);
    const int mask = 0x80 >> bit % 8;
    if ((address[byte] & mask) != (block.bytes[byte] & mask)) return false;
  }
  return true;
}

bool IsPublic4(std::span<const uint8_t> address) {
  return std::ranges::none_of(kNotPublic4, [address](const Block& block) { return IsIn(address, block); });
}

bool IsPublic6(std::span<const uint8_t> address) {
  for (const Block& block : kLeadsTo4) {
    if (IsIn(address, block)) return IsPublic4(address.subspan(static_cast<size_t>(block.bits / 8), 4));
  }
  return IsIn(address, kGlobal6) &&
         std::ranges::none_of(kNotPublic6, [address](const Block& block) { return IsIn(address, block); });
}

// Whether the url has this part; a copy of it in `value`.
bool Has(CURLU* url, CURLUPart part, std::string* value = nullptr) {
  char* found = nullptr;
  const bool has = curl_url_get(url, part, &found, 0) == CURLUE_OK;
  if (has && value != nullptr) *value = found;
  curl_free(found);
  return has;
}

}  // namespace

std::vector<std::string> UrlViolations(const std::string& url) {
  std::vector<std::string> violations;
  if (url.size() > kMaxUrlBytes) violations.emplace_back("must have at most 2048 characters");
  if (!std::ranges::all_of(url, [](unsigned char c) { return absl::ascii_isgraph(c); })) {
    violations.emplace_back("must be printable ASCII without spaces: other hosts as xn--..., other characters as %XX");
  }
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), &curl_url_cleanup);
  if (url.size() > kMaxUrlBytes) return violations;
  std::string scheme, host, port;
  // Without what curl forgives: no scheme, one slash, a third one, port 0.
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
      !Has(parsed.get(), CURLUPART_SCHEME, &scheme) || scheme != "https" || !Has(parsed.get(), CURLUPART_HOST, &host) ||
      host.empty() || !absl::StartsWithIgnoreCase(url, "https://") ||
      url.find("///") == std::string_view("https:").size() ||
      (Has(parsed.get(), CURLUPART_PORT, &port) && port == "0")) {
    violations.emplace_back("must be https://host[:port]/path");
    return violations;
  }
  if (Has(parsed.get(), CURLUPART_USER) || Has(parsed.get(), CURLUPART_PASSWORD)) {
    violations.emplace_back("must have no user and no password");
  }
  if (Has(parsed.get(), CURLUPART_FRAGMENT) || url.find('#') != std::string::npos) {
    violations.emplace_back("must have no fragment");
  }
  return violations;
}

bool IsPublic(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    return IsPublic4({reinterpret_cast<const uint8_t*>(&in.sin_addr), sizeof(in.sin_addr)});
  }
  if (address.sa_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    return IsPublic6({reinterpret_cast<const uint8_t*>(&in.sin6_addr), sizeof(in.sin6_addr)});
  }
  return false;
}

std::string ToText(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = nullptr;
  if (address.sa_family == AF_INET) bytes = &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  if (address.sa_family == AF_INET6) bytes = &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (bytes == nullptr || inet_ntop(address.sa_family, bytes, text.data(), text.size()) == nullptr) return "an address";
  return text.data();
}

}  // namespace parley::notification
