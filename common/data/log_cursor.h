// Places in the tree of all logs, as clients of WatchEvents and webhooks keep them. A place knows the entry before it,
// so that a log that is another one by now (the database was restored from a copy) does not pass for the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/data/transaction.h"

namespace parley::data {

struct LogCursor {
  int64_t position = 0;   // the number of leaves before it
  std::string last_hash;  // the beginning of the hash of the last of these; empty at the beginning

  // Behind this leaf.
  static LogCursor Behind(int64_t leaf_index, std::string_view hash);
};

// Text, for URLs too.
std::string Encode(const LogCursor& cursor);
// Nothing for what Encode did not make.
std::optional<LogCursor> DecodeLogCursor(std::string_view text);

// OUT_OF_RANGE (CURSOR_INVALID) where the log is not, or not yet, the one of the cursor.
absl::Status CheckLogCursor(Transaction& tx, const LogCursor& cursor);
// Behind all that is there.
absl::StatusOr<LogCursor> EndOfLog(Transaction& tx);

}  // namespace parley::data
