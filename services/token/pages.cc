#include "services/token/pages.h"

namespace parley::token {

namespace {
constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 100;
}  // namespace

void CheckPageSize(int page_size, FieldViolations& fields) {
  if (page_size < 0) fields.Add("page_size", "must not be negative");
}

absl::StatusOr<Page> ParsePage(const rpc::Signer& signer, std::string list, int page_size,
                               const std::string& page_token) {
  Page page{std::move(list), std::nullopt, rpc::PageSize(page_size, kDefaultPageSize, kMaxPageSize)};
  if (page_token.empty()) return page;
  PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(signer, page.list, page_token));
  page.before = Uuid::FromBytes(cursor);
  return page;
}

}  // namespace parley::token
