// Pages of lists that go by id, newest first (AIP-158): what this service's lists share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/data/uuid.h"
#include "common/rpc/page_token.h"
#include "common/status/status.h"

namespace parley::token {

// The page that a call asks for.
struct Page {
  std::string list;            // which list with which arguments, to which page tokens are bound
  std::optional<Uuid> before;  // what it shows is older; nothing on the first page
  int size = 0;

  // How many to read: one more than the page holds tells whether another follows.
  int limit() const { return size + 1; }
};

void CheckPageSize(int page_size, FieldViolations& fields);

// INVALID_ARGUMENT (CURSOR_INVALID) for a page token of another list. The size has been checked.
absl::StatusOr<Page> ParsePage(const rpc::Signer& signer, std::string list, int page_size,
                               const std::string& page_token);

// Ends `read` where the page ends. The `next_page_token` of the response: empty on the last page.
template <class Listed>
std::string EndPage(const rpc::Signer& signer, const Page& page, std::vector<Listed>& read) {
  if (read.size() <= static_cast<size_t>(page.size)) return "";
  read.resize(static_cast<size_t>(page.size));
  return rpc::MakePageToken(signer, page.list, read.back().id.ToBytes());
}

}  // namespace parley::token
