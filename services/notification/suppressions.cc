#include "services/notification/suppressions.h"

#include <openssl/crypto.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "common/status/status.h"

namespace parley::notification {
namespace {

using data::Params;
using data::Result;
using data::Row;
using data::Statement;

constexpr std::string_view kTokenPrefix = "parley_unsubscribe_";
constexpr char kAddressPurpose[] = "suppression";
constexpr char kTokenPurpose[] = "unsubscribe";
constexpr char kFingerprintPurpose[] = "suppression secret";
constexpr size_t kMacBytes = 32;
constexpr size_t kMarkBytes = 16;

bool IsLowerHex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Suppression SuppressionOf(const Row& row) {
  Suppression suppression;
  suppression.id = row.GetUuid(0);
  v1::Suppression::Reason_Parse(std::string(row.GetText(1)), &suppression.reason);
  suppression.detail = row.GetText(2);
  suppression.create_time = row.GetTime(3);
  return suppression;
}

std::optional<Suppression> FirstOf(const Result& result) {
  if (result.empty()) return std::nullopt;
  return SuppressionOf(result[0]);
}

}  // namespace

absl::StatusOr<SuppressionKey> SuppressionKey::Make(std::string_view secret) {
  const std::string line(absl::StripAsciiWhitespace(absl::string_view(secret.data(), secret.size())));
  auto signer = rpc::Signer::Make(line);
  if (!signer.ok() || line.find('\n') != std::string::npos) {
    return absl::InvalidArgumentError("the suppression secret must be one line of at least 32 characters");
  }
  return SuppressionKey(*std::move(signer));
}

std::string SuppressionKey::Mac(const Address& address) const { return signer_.Mac(kAddressPurpose, address.Key()); }

std::string SuppressionKey::UnsubscribeToken(const Address& address) const {
  const std::string mac = Mac(address);
  const std::string mark = signer_.Mac(kTokenPurpose, mac).substr(0, kMarkBytes);
  return std::string(kTokenPrefix) + absl::BytesToHexString(mac + mark);
}

std::optional<std::string> SuppressionKey::ParseUnsubscribeToken(std::string_view token) const {
  if (!token.starts_with(kTokenPrefix)) return std::nullopt;
  token.remove_prefix(kTokenPrefix.size());
  if (token.size() != 2 * (kMacBytes + kMarkBytes) || !IsLowerHex(token)) return std::nullopt;
  const std::string bytes = absl::HexStringToBytes(absl::string_view(token.data(), token.size()));
  const std::string mac = bytes.substr(0, kMacBytes);
  const std::string mark = signer_.Mac(kTokenPurpose, mac);
  if (CRYPTO_memcmp(mark.data(), bytes.data() + kMacBytes, kMarkBytes) != 0) return std::nullopt;
  return mac;
}

std::string SuppressionKey::Fingerprint() const { return signer_.Mac(kFingerprintPurpose, ""); }

constexpr Statement kInsert{"insert_suppression", R"sql(
  insert into suppressions (suppression_id, address_mac, reason, detail, create_time)
  values ($1, $2, $3, $4, now())
  on conflict (address_mac) do update set reason = excluded.reason, detail = excluded.detail
  where suppressions.reason = 'ADDRESS_REFUSED' and excluded.reason = 'UNSUBSCRIBED')sql"};

absl::Status Suppressions::Insert(const std::string& address_mac, Suppression::Reason reason,
                                  const std::string& detail) {
  Params params;
  params.Add(Uuid::TimeOrdered()).AddBytes(address_mac).Add(v1::Suppression::Reason_Name(reason)).Add(detail);
  return tx_.Execute(kInsert, params).status();
}

#define PARLEY_SELECT_SUPPRESSIONS "select suppression_id, reason, detail, create_time from suppressions "

constexpr Statement kFind{"find_suppression", PARLEY_SELECT_SUPPRESSIONS "where suppression_id = $1"};

absl::StatusOr<std::optional<Suppression>> Suppressions::Find(const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFind, Params().Add(id)));
  return FirstOf(result);
}

constexpr Statement kFindByMac{"find_suppression_by_mac", PARLEY_SELECT_SUPPRESSIONS "where address_mac = $1"};

absl::StatusOr<std::optional<Suppression>> Suppressions::FindByMac(const std::string& address_mac) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFindByMac, Params().AddBytes(address_mac)));
  return FirstOf(result);
}

constexpr Statement kAmong{"suppressions_among", "select address_mac from suppressions where address_mac = any($1)"};

absl::StatusOr<std::set<std::string>> Suppressions::Among(const std::vector<std::string>& address_macs) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kAmong, Params().AddByteStrings(address_macs)));
  std::set<std::string> suppressed;
  for (int i = 0; i < result.size(); ++i) suppressed.emplace(result[i].GetText(0));
  return suppressed;
}

constexpr Statement kList{"list_suppressions",
                          PARLEY_SELECT_SUPPRESSIONS "where suppression_id < $1 order by suppression_id desc limit $2"};

absl::StatusOr<std::vector<Suppression>> Suppressions::List(const std::optional<Uuid>& before, int limit) {
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kList, Params().Add(before.value_or(Uuid::Max())).Add(int64_t{limit})));
  std::vector<Suppression> suppressions;
  for (int i = 0; i < result.size(); ++i) suppressions.push_back(SuppressionOf(result[i]));
  return suppressions;
}

constexpr Statement kDelete{"delete_suppression", "delete from suppressions where suppression_id = $1"};

absl::StatusOr<bool> Suppressions::Delete(const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kDelete, Params().Add(id)));
  return result.affected() > 0;
}

constexpr Statement kFindKey{"find_suppression_key", "select mac = $1 from suppression_key"};
constexpr Statement kInsertKey{"insert_suppression_key",
                               "insert into suppression_key (mac) values ($1) on conflict do nothing"};

absl::Status Suppressions::CheckKey(const SuppressionKey& key) {
  const Params fingerprint = Params().AddBytes(key.Fingerprint());
  PARLEY_ASSIGN_OR_RETURN(Result same, tx_.Execute(kFindKey, fingerprint));
  if (same.empty()) {
    PARLEY_RETURN_IF_ERROR(tx_.Execute(kInsertKey, fingerprint).status());
    PARLEY_ASSIGN_OR_RETURN(same, tx_.Execute(kFindKey, fingerprint));
  }
  if (same[0].GetBool(0)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the suppression secret is not the one of this database: who unsubscribed would be mailed again. Give it the "
      "secret that it had (PARLEY_SUPPRESSION_SECRET); where that is lost, the owner of the database may delete from "
      "parley.suppression_key and parley.suppressions");
}

}  // namespace parley::notification
