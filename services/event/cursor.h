// Places in the tree of all logs, as clients of WatchEvents keep them. A place knows the entry before it, so that a log
// that is another one by now (the database was restored from a copy) does not pass for the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/data/transaction.h"

namespace parley::event {

struct Cursor {
  int64_t position = 0;   // the number of leaves before it
  std::string last_hash;  // the beginning of the hash of the last of these; empty at the beginning

  // Behind this leaf.
  static Cursor Behind(int64_t leaf_index, std::string_view hash);
};

// Text, for URLs too.
std::string Encode(const Cursor& cursor);
// Nothing for what Encode did not make.
std::optional<Cursor> DecodeCursor(std::string_view text);

// OUT_OF_RANGE (CURSOR_INVALID) where the log is not, or not yet, the one of the cursor.
absl::Status CheckCursor(data::Transaction& tx, const Cursor& cursor);
// Behind all that is there.
absl::StatusOr<Cursor> EndOfLog(data::Transaction& tx);

}  // namespace parley::event
