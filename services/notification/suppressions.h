// Addresses to which no mail is sent: the table suppressions. It holds keyed hashes of them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/address/address.h"
#include "common/data/transaction.h"
#include "common/rpc/principal.h"
#include "parley/notification/v1/suppression.pb.h"

namespace parley::notification {

inline constexpr char kSuppressionType[] = "parley.notification.v1.Suppression";

// Makes keyed hashes of addresses, and the tokens by which they are unsubscribed. Its secret is for this alone and for
// ever: with another one no suppression is found any more, and the tokens in mails that were sent open nothing.
// Thread-safe.
class SuppressionKey {
 public:
  // `secret`: one line of at least 32 characters.
  static absl::StatusOr<SuppressionKey> Make(std::string_view secret);

  // The keyed hash of an address, 32 bytes; the same however it is spelled.
  std::string Mac(const Address& address) const;
  // `parley_unsubscribe_` and hexadecimal digits: the keyed hash, and a mark that only we can make.
  std::string UnsubscribeToken(const Address& address) const;
  // The keyed hash in a token; nothing where it is not one of ours.
  std::optional<std::string> ParseUnsubscribeToken(std::string_view token) const;
  // Tells this secret from others, and nothing else of it. 32 bytes.
  std::string Fingerprint() const;

 private:
  explicit SuppressionKey(rpc::Signer signer) : signer_(std::move(signer)) {}
  rpc::Signer signer_;
};

struct Suppression {
  using Reason = v1::Suppression::Reason;

  Uuid id;
  Reason reason = v1::Suppression::UNSUBSCRIBED;
  std::string detail;
  absl::Time create_time;

  // `suppressions/...`
  std::string name() const { return "suppressions/" + id.ToString(); }
};

// Within one transaction, which must outlive it.
class Suppressions {
 public:
  explicit Suppressions(data::Transaction& tx) : tx_(tx) {}

  // A new one. Where there is one of this address, nothing changes, but that a person's wish stands above what a mail
  // server said: UNSUBSCRIBED takes the place of ADDRESS_REFUSED.
  absl::Status Insert(const std::string& address_mac, Suppression::Reason reason, const std::string& detail);
  absl::StatusOr<std::optional<Suppression>> Find(const Uuid& id);
  absl::StatusOr<std::optional<Suppression>> FindByMac(const std::string& address_mac);
  // Those of the given ones that are suppressed.
  absl::StatusOr<std::set<std::string>> Among(const std::vector<std::string>& address_macs);
  // Newest first, older than `before` where there is one.
  absl::StatusOr<std::vector<Suppression>> List(const std::optional<Uuid>& before, int limit);
  // Whether it was there.
  absl::StatusOr<bool> Delete(const Uuid& id);

  // FAILED_PRECONDITION where the suppressions of this database are known by another secret. The first one that is
  // asked about is theirs.
  absl::Status CheckKey(const SuppressionKey& key);

 private:
  data::Transaction& tx_;
};

}  // namespace parley::notification
