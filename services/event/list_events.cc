#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/access/access.h"
#include "common/rpc/page_token.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"

namespace parley::event {
namespace {

constexpr int kDefaultPage = 50;
constexpr int kMaxPage = 100;

// Which list it is, for its page tokens: all that was asked, but for the page.
std::string ListOf(v1::ListEventsRequest request) {
  request.clear_page_size();
  request.clear_page_token();
  return absl::StrCat("ListEvents ", request.SerializeAsString());
}

// The instant and the id.
std::string Encode(const data::EventCursor& cursor) {
  return absl::StrCat(cursor.id.ToBytes(), absl::ToUnixMicros(cursor.key));
}

std::optional<data::EventCursor> Decode(std::string_view text) {
  constexpr size_t kIdSize = 16;
  const auto id = Uuid::FromBytes(text.substr(0, kIdSize));
  int64_t micros = 0;
  if (!id || !absl::SimpleAtoi(std::string(text.substr(kIdSize)), &micros)) return std::nullopt;
  // What is infinite was cut to the last number that there is.
  if (micros == absl::ToUnixMicros(absl::InfiniteFuture())) return data::EventCursor{absl::InfiniteFuture(), *id};
  return data::EventCursor{absl::FromUnixMicros(micros), *id};
}

absl::StatusOr<data::EventPage> ReadPage(data::Transaction& tx, ParsedList list, const rpc::Call& call,
                                         const std::optional<data::EventCursor>& after, int page_size) {
  std::optional<Uuid> named;
  if (list.party) {
    PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByAddresses({*list.party}));
    if (users.empty()) return data::EventPage();
    named = users.front().id;
  }
  // Members see their own events, staff all.
  if (IsStaff(call)) {
    list.query.party = named;
  } else {
    list.query.party = call.principal.user_id;
    list.query.other_party = named;
  }
  return data::Events(tx).List(list.query, after, page_size);
}

}  // namespace

absl::Status ListEvents(const Context& context, const rpc::Call& call, const v1::ListEventsRequest& request,
                        v1::ListEventsResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const ParsedList list, ParseList(request));
  const std::string bound = ListOf(request);
  std::optional<data::EventCursor> after;
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(context.signer, bound, request.page_token()));
    after = Decode(cursor);
    if (!after) return CursorInvalid();
  }
  PARLEY_RETURN_IF_ERROR(CheckMember(call));

  const int page_size = rpc::PageSize(request.page_size(), kDefaultPage, kMaxPage);
  PARLEY_ASSIGN_OR_RETURN(data::EventPage page, data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) {
                            return ReadPage(tx, list, call, after, page_size);
                          }));
  size_t bytes = 0;
  std::optional<data::EventCursor> next;
  for (const auto& [cursor, event] : page.events) {
    v1::Event shown;
    ToProto(event, shown);
    bytes += shown.ByteSizeLong();
    if (next && bytes > rpc::kMaxPageBytes) {
      page.next = next;
      break;
    }
    next = cursor;
    *response.add_events() = std::move(shown);
  }
  if (page.next) response.set_next_page_token(rpc::MakePageToken(context.signer, bound, Encode(*page.next)));
  return absl::OkStatus();
}

}  // namespace parley::event
