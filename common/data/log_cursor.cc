#include "common/data/log_cursor.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/data/log_tree.h"
#include "common/status/status.h"

namespace parley::data {
namespace {

constexpr size_t kHashSize = 8;
constexpr size_t kMaxDigits = 18;

}  // namespace

LogCursor LogCursor::Behind(int64_t leaf_index, std::string_view hash) {
  return {leaf_index + 1, std::string(hash.substr(0, kHashSize))};
}

std::string Encode(const LogCursor& cursor) {
  return absl::StrCat(cursor.position, "-", absl::BytesToHexString(cursor.last_hash));
}

std::optional<LogCursor> DecodeLogCursor(std::string_view text) {
  const size_t dash = text.find('-');
  const std::string digits(text.substr(0, dash));
  LogCursor cursor;
  if (dash == std::string_view::npos || digits.size() > kMaxDigits || !absl::SimpleAtoi(digits, &cursor.position)) {
    return std::nullopt;
  }
  cursor.last_hash = absl::HexStringToBytes(std::string(text.substr(dash + 1)));
  // What is not as Encode writes it is none, whatever the parsers have made of it.
  const bool is_whole = cursor.position == 0 ? cursor.last_hash.empty() : cursor.last_hash.size() == kHashSize;
  if (!is_whole || Encode(cursor) != text) return std::nullopt;
  return cursor;
}

absl::Status CheckLogCursor(Transaction& tx, const LogCursor& cursor) {
  if (cursor.position == 0) return absl::OkStatus();
  PARLEY_ASSIGN_OR_RETURN(const auto hash, LogTree(tx).LeafHash(cursor.position - 1));
  return hash && hash->starts_with(cursor.last_hash) ? absl::OkStatus() : CursorOutOfRange("cursor");
}

absl::StatusOr<LogCursor> EndOfLog(Transaction& tx) {
  const LogTree tree(tx);
  PARLEY_ASSIGN_OR_RETURN(const int64_t count, tree.CountLeaves());
  if (count == 0) return LogCursor();
  PARLEY_ASSIGN_OR_RETURN(const auto hash, tree.LeafHash(count - 1));
  if (!hash) return Internal("the tree of the log has lost its last leaf");
  return LogCursor::Behind(count - 1, *hash);
}

}  // namespace parley::data
