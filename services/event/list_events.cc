#include "common/access/access.h"
#include "common/rpc/page_token.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"

namespace parley::event {

namespace {
constexpr int kDefaultPage = 50;
constexpr int kMaxPage = 100;
constexpr std::string_view kList = "ListEvents";
}  // namespace

absl::Status ListEvents(const Context& context, const rpc::Call& call, const v1::ListEventsRequest& request,
                        v1::ListEventsResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  if (request.page_size() < 0) {
    FieldViolations fields;
    fields.Add("page_size", "must not be negative");
    return fields.ToStatus();
  }
  std::optional<Uuid> before;
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(context.signer, kList, request.page_token()));
    before = Uuid::FromBytes(cursor);
  }
  PARLEY_RETURN_IF_ERROR(CheckMember(call));

  const int page_size = rpc::PageSize(request.page_size(), kDefaultPage, kMaxPage);
  const auto party = call.principal.staff ? std::nullopt : std::optional(call.principal.user_id);
  PARLEY_ASSIGN_OR_RETURN(auto events, data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) {
                            // One more than the page tells whether there is another.
                            return data::Events(tx).List(party, before, page_size + 1);
                          }));
  size_t bytes = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    v1::Event event;
    ToProto(events[i], event);
    bytes += event.ByteSizeLong();
    if (i == static_cast<size_t>(page_size) || (i > 0 && bytes > rpc::kMaxPageBytes)) {
      response.set_next_page_token(rpc::MakePageToken(context.signer, kList, events[i - 1].id.ToBytes()));
      break;
    }
    *response.add_events() = std::move(event);
  }
  return absl::OkStatus();
}

}  // namespace parley::event
