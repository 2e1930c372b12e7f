#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/access/access.h"
#include "common/rpc/page_token.h"
#include "common/rpc/resource_name.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"

namespace parley::event {
namespace {

constexpr int kDefaultPage = 50;
constexpr int kMaxPage = 1000;

struct Page {
  std::vector<data::LogEntry> entries;
  Addresses addresses;  // of those that the entries name
};

absl::StatusOr<Page> ReadPage(data::Transaction& tx, const rpc::Call& call, const Uuid& id, int64_t after, int limit) {
  PARLEY_ASSIGN_OR_RETURN(const auto found, data::Events(tx).Find({id}));
  PARLEY_RETURN_IF_ERROR(CheckLogAccess(call, id, found.empty() ? nullptr : &found.front()));
  Page page;
  PARLEY_ASSIGN_OR_RETURN(page.entries, data::LogEntries(tx).List(id, after, limit));
  PARLEY_ASSIGN_OR_RETURN(page.addresses, AddressesOf(tx, found, page.entries));
  return page;
}

}  // namespace

absl::Status ListLogEntries(const Context& context, const rpc::Call& call, const v1::ListLogEntriesRequest& request,
                            v1::ListLogEntriesResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto id = rpc::ParseName(request.parent(), "events");
  if (!id) fields.Add("parent", "must be events/{event} with the event's id");
  if (request.page_size() < 0) fields.Add("page_size", "must not be negative");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  const std::string list = absl::StrCat("ListLogEntries ", request.parent());
  int64_t after = 0;
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(context.signer, list, request.page_token()));
    if (!absl::SimpleAtoi(cursor, &after)) return CursorInvalid();
  }

  const int page_size = rpc::PageSize(request.page_size(), kDefaultPage, kMaxPage);
  // One more than the page tells whether there is another.
  PARLEY_ASSIGN_OR_RETURN(Page page, data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) {
                            return ReadPage(tx, call, *id, after, page_size + 1);
                          }));
  size_t bytes = 0;
  for (size_t i = 0; i < page.entries.size(); ++i) {
    v1::LogEntry entry;
    ToProto(page.entries[i], page.addresses, entry);
    bytes += entry.ByteSizeLong();
    if (i == static_cast<size_t>(page_size) || (i > 0 && bytes > rpc::kMaxPageBytes)) {
      response.set_next_page_token(
          rpc::MakePageToken(context.signer, list, absl::StrCat(page.entries[i - 1].sequence)));
      break;
    }
    *response.add_log_entries() = std::move(entry);
  }
  return absl::OkStatus();
}

}  // namespace parley::event
