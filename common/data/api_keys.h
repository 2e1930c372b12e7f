// API keys: by which active users call (domain rule U4). Used by the token service, and by parleyctl for the first one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/data/transaction.h"
#include "common/data/users.h"

namespace parley::data {

struct ApiKey {
  Uuid id;
  Uuid user_id;
  absl::Time create_time;
  std::optional<absl::Time> revoke_time;
};

struct NewApiKey {
  ApiKey api_key;
  std::string key;  // seen once
};

// Within one transaction, which must outlive it.
class ApiKeys {
 public:
  explicit ApiKeys(Transaction& tx) : tx_(tx) {}

  absl::StatusOr<NewApiKey> Create(const Uuid& user_id);
  absl::StatusOr<std::optional<ApiKey>> Find(const Uuid& id);
  absl::StatusOr<std::optional<ApiKey>> FindByHash(std::string_view key_hash);
  // The user's keys, newest first, older than `before` where there is one.
  absl::StatusOr<std::vector<ApiKey>> List(const Uuid& user_id, const std::optional<Uuid>& before, int limit);
  // Keeps the time of the first revocation.
  absl::Status Revoke(const Uuid& id);

 private:
  Transaction& tx_;
};

}  // namespace parley::data
