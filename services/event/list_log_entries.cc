#include <algorithm>

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
// So much is held in memory by one thread, however many calls a batch has and however large pages they want.
constexpr int64_t kMaxEntriesAtOnce = 3500;

// One call of a batch.
struct Listing {
  ListEntriesItem* item;
  data::LogRange range;
  std::vector<data::LogEntry> entries = {};
};

std::string TokenSubject(const v1::ListLogEntriesRequest& request) {
  return absl::StrCat("ListLogEntries ", request.parent());
}

size_t PageSizeOf(const v1::ListLogEntriesRequest& request) {
  return static_cast<size_t>(rpc::PageSize(request.page_size(), kDefaultPage, kMaxPage));
}

absl::StatusOr<data::LogRange> Parse(const Context& context, const ListEntriesItem& item) {
  PARLEY_RETURN_IF_ERROR(CheckUser(item.call));
  const v1::ListLogEntriesRequest& request = item.request;
  FieldViolations fields;
  const auto id = rpc::ParseName(request.parent(), "events");
  if (!id) fields.Add("parent", "must be events/{event} with the event's id");
  if (request.page_size() < 0) fields.Add("page_size", "must not be negative");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  // One more than the page tells whether there is another.
  data::LogRange range{*id, 0, static_cast<int64_t>(PageSizeOf(request)) + 1};
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor,
                            rpc::ParsePageToken(context.signer, TokenSubject(request), request.page_token()));
    if (!absl::SimpleAtoi(cursor, &range.after)) return CursorInvalid();
  }
  return range;
}

// Reads what the callers may see; the items of the others have their errors. Answers with the addresses of those whom
// the entries name.
absl::StatusOr<Addresses> ReadBatch(data::Transaction& tx, absl::Span<Listing> listings) {
  std::vector<Uuid> ids;
  for (const Listing& listing : listings) ids.push_back(listing.range.event_id);
  PARLEY_ASSIGN_OR_RETURN(const auto events, data::Events(tx).Find(ids));
  std::vector<Listing*> permitted;
  std::vector<data::LogRange> ranges;
  for (Listing& listing : listings) {
    const auto found = std::ranges::lower_bound(events, listing.range.event_id, {}, &data::Event::id);
    const bool exists = found != events.end() && found->id == listing.range.event_id;
    listing.item->status = CheckLogAccess(listing.item->call, listing.range.event_id, exists ? &*found : nullptr);
    if (!listing.item->status.ok()) continue;
    permitted.push_back(&listing);
    ranges.push_back(listing.range);
  }
  PARLEY_ASSIGN_OR_RETURN(auto pages, data::LogEntries(tx).List(ranges));
  PARLEY_ASSIGN_OR_RETURN(Addresses addresses, AddressesOf(tx, events, pages));
  for (size_t i = 0; i < permitted.size(); ++i) permitted[i]->entries = std::move(pages[i]);
  return addresses;
}

void Answer(const Context& context, const Listing& listing, const Addresses& addresses) {
  v1::ListLogEntriesResponse& response = listing.item->response;
  size_t bytes = 0;
  for (size_t i = 0; i < listing.entries.size(); ++i) {
    v1::LogEntry& entry = *response.add_log_entries();
    ToProto(listing.entries[i], addresses, entry);
    bytes += entry.ByteSizeLong();
    if (i < PageSizeOf(listing.item->request) && (i == 0 || bytes <= rpc::kMaxPageBytes)) continue;
    response.mutable_log_entries()->RemoveLast();
    response.set_next_page_token(rpc::MakePageToken(context.signer, TokenSubject(listing.item->request),
                                                    absl::StrCat(listing.entries[i - 1].sequence)));
    break;
  }
}

}  // namespace

absl::Status ListLogEntries(const Context& context, absl::Span<ListEntriesItem* const> items, data::Turn& turn) {
  // What only reads meets nobody on a row.
  turn.Pass();
  std::vector<Listing> listings;
  for (ListEntriesItem* item : items) {
    const auto range = Parse(context, *item);
    item->status = range.status();
    if (range.ok()) listings.push_back({item, *range});
  }
  for (size_t begin = 0, end = 0; begin < listings.size(); begin = end) {
    int64_t entries = 0;
    do entries += listings[end++].range.limit;
    while (end < listings.size() && entries + listings[end].range.limit <= kMaxEntriesAtOnce);
    const auto part = absl::MakeSpan(listings).subspan(begin, end - begin);
    PARLEY_ASSIGN_OR_RETURN(
        const Addresses addresses,
        data::Transact(context.pool, BatchDeadline(items), [&](data::Transaction& tx) { return ReadBatch(tx, part); }));
    for (Listing& listing : part) {
      if (listing.item->status.ok()) Answer(context, listing, addresses);
      listing.entries.clear();
    }
  }
  return absl::OkStatus();
}

}  // namespace parley::event
