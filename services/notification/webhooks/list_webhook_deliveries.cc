// ListWebhookDeliveries.
#include <limits>

#include "absl/strings/numbers.h"
#include "common/access/access.h"
#include "common/data/log_entries.h"
#include "common/rpc/page_token.h"
#include "common/rpc/resource_name.h"
#include "common/time/proto_time.h"
#include "services/notification/webhooks/webhook_deliveries.h"
#include "services/notification/webhooks/webhook_server.h"
#include "services/notification/webhooks/webhooks.h"

namespace parley::notification {
namespace {

constexpr int kPageSize = 50;
constexpr int kMaxPageSize = 100;

void Fill(const WebhookDelivery& delivery, v1::WebhookDelivery& proto) {
  proto.set_name(delivery.name());
  proto.set_log_entry(data::NameOf(delivery.event_id, delivery.sequence));
  for (const Kind kind : delivery.kinds) proto.add_kinds(kind);
  proto.set_cursor(delivery.cursor);
  proto.set_state(delivery.state);
  ToProto(delivery.create_time, proto.mutable_create_time());
  if (delivery.state == v1::WebhookDelivery::PENDING) {
    ToProto(delivery.next_attempt_time, proto.mutable_next_attempt_time());
  }
  for (const WebhookAttempt& attempt : delivery.attempts) {
    auto* shown = proto.add_attempts();
    ToProto(attempt.start_time, shown->mutable_start_time());
    if (attempt.end_time) ToProto(*attempt.end_time, shown->mutable_end_time());
    shown->set_http_status(attempt.http_status);
    shown->set_detail(attempt.detail);
  }
}

}  // namespace

absl::Status ListWebhookDeliveries(const WebhookContext& context, const rpc::Call& call,
                                   const v1::ListWebhookDeliveriesRequest& request,
                                   v1::ListWebhookDeliveriesResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto id = rpc::ParseName(request.parent(), "webhooks");
  if (!id) fields.Add("parent", "must be webhooks/{webhook} with its id");
  if (request.page_size() < 0) fields.Add("page_size", "must not be negative");
  if (!v1::WebhookDelivery::State_IsValid(request.state())) fields.Add("state", "must be a state of deliveries");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  // Bound to all arguments but the page.
  v1::ListWebhookDeliveriesRequest bound = request;
  bound.clear_page_size();
  bound.clear_page_token();
  const std::string list = "ListWebhookDeliveries " + bound.SerializeAsString();
  int64_t before_leaf = std::numeric_limits<int64_t>::max();
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(context.signer, list, request.page_token()));
    if (!absl::SimpleAtoi(cursor, &before_leaf)) return CursorInvalid();
  }
  if (!IsStaff(call)) return OfResource(Forbidden("webhooks are for staff"), kWebhookType, request.parent());
  std::optional<WebhookDelivery::State> state;
  if (request.state() != v1::WebhookDelivery::STATE_UNSPECIFIED) state = request.state();
  const int page_size = rpc::PageSize(request.page_size(), kPageSize, kMaxPageSize);
  auto read = [&](data::Transaction& tx) -> absl::StatusOr<std::vector<WebhookDelivery>> {
    PARLEY_ASSIGN_OR_RETURN(const auto webhook, Webhooks(tx).Find(*id));
    if (!webhook) return NotFound(kWebhookType, request.parent());
    // One more than the page holds tells whether another follows.
    return WebhookDeliveries(tx).List(*id, state, before_leaf, page_size + 1);
  };
  PARLEY_ASSIGN_OR_RETURN(auto found, data::Transact(context.pool, call.deadline, read));
  if (found.size() > static_cast<size_t>(page_size)) {
    found.pop_back();
    response.set_next_page_token(rpc::MakePageToken(context.signer, list, std::to_string(found.back().leaf_index)));
  }
  for (const WebhookDelivery& delivery : found) Fill(delivery, *response.add_webhook_deliveries());
  return absl::OkStatus();
}

}  // namespace parley::notification
