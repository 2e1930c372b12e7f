// Calls with a request_id that succeeded, remembered for a day so that they can be answered again (see proto/README.md,
// "request_id"). They hold neither secrets nor addresses. common/rpc/request_id.h is what handlers use.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/data/purge.h"

namespace parley::data {

// Which call: what its sender chose, of one user and method.
struct RequestKey {
  Uuid user_id;
  std::string method;
  Uuid request_id;

  bool operator==(const RequestKey&) const = default;
  auto operator<=>(const RequestKey&) const = default;
};

// What the call did.
struct RequestResult {
  std::vector<Uuid> ids;  // of what it made or changed
  int64_t sequence = 0;   // of the log entry that it wrote on the first of them, where that is an event
};

struct RequestRecord {
  RequestKey key;
  std::string digest;
  RequestResult result;
};

// Within one transaction, which must outlive it.
class RequestRecords {
 public:
  explicit RequestRecords(Transaction& tx) : tx_(tx) {}

  // Until the transaction ends no other one has these keys: whoever had them has committed or rolled back.
  absl::Status Lock(absl::Span<const RequestKey> keys);
  // Those that are remembered, by key.
  absl::StatusOr<std::map<RequestKey, RequestRecord>> Find(absl::Span<const RequestKey> keys);
  absl::Status Insert(absl::Span<const RequestRecord> records);
  // Forgets some of those that are too old to be found; see purge.h.
  absl::StatusOr<Purged> Purge(absl::Time from);

 private:
  Transaction& tx_;
};

}  // namespace parley::data
