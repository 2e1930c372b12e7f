// WebhookService's methods on webhooks; for staff alone.
#include <set>

#include "absl/strings/str_cat.h"
#include "common/access/access.h"
#include "common/data/log_cursor.h"
#include "common/data/users.h"
#include "common/rpc/page_token.h"
#include "common/rpc/request_id.h"
#include "common/rpc/resource_name.h"
#include "common/time/proto_time.h"
#include "services/notification/webhooks/targets.h"
#include "services/notification/webhooks/webhook_deliveries.h"
#include "services/notification/webhooks/webhook_server.h"
#include "services/notification/webhooks/webhooks.h"

namespace parley::notification {
namespace {

constexpr int kPageSize = 50;
constexpr int kMaxPageSize = 100;
constexpr absl::Duration kLimitPause = absl::Minutes(1);

// Whether or not it exists.
absl::Status CheckStaff(const rpc::Call& call, std::string_view name) {
  if (IsStaff(call)) return absl::OkStatus();
  return OfResource(Forbidden("webhooks are for staff"), kWebhookType, name);
}

Uuid ParseId(std::string_view name, std::string_view field, FieldViolations& fields) {
  const auto id = rpc::ParseName(name, "webhooks");
  if (!id) fields.Add(field, "must be webhooks/{webhook} with its id");
  return id.value_or(Uuid{});
}

struct NewWebhook {
  std::string url;
  std::vector<Kind> kinds;
  std::optional<Address> initiator;
};

NewWebhook Parse(const v1::Webhook& proto, FieldViolations& fields) {
  NewWebhook parsed;
  parsed.url = proto.url();
  for (const std::string& violation : UrlViolations(parsed.url)) fields.Add("webhook.url", violation);
  std::set<Kind> kinds;
  for (int i = 0; i < proto.kinds_size(); ++i) {
    if (!v1::Webhook::Kind_IsValid(proto.kinds(i)) || proto.kinds(i) == v1::Webhook::KIND_UNSPECIFIED) {
      fields.Add(absl::StrCat("webhook.kinds[", i, "]"),
                 "must be CREATED, UPDATED, AGREED, ABANDONED, SUPERSEDED, REOPENED or DELETED");
    } else {
      kinds.insert(proto.kinds(i));
    }
  }
  if (proto.kinds().empty()) fields.Add("webhook.kinds", "must name at least one kind of change");
  parsed.kinds.assign(kinds.begin(), kinds.end());
  if (!proto.initiator().empty()) {
    const auto address = ParseAddress(proto.initiator());
    if (!address.ok()) fields.Add("webhook.initiator", std::string(address.status().message()));
    if (address.ok()) parsed.initiator = *address;
  }
  return parsed;
}

// Without secrets.
absl::StatusOr<std::vector<v1::Webhook>> Show(data::Transaction& tx, const std::vector<Webhook>& webhooks) {
  std::vector<Uuid> ids;
  for (const Webhook& webhook : webhooks) {
    if (webhook.initiator_id) ids.push_back(*webhook.initiator_id);
  }
  std::map<Uuid, Address> addresses;
  if (!ids.empty()) {
    PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByIds(ids));
    for (const data::User& user : users) addresses[user.id] = user.address;
  }
  std::vector<v1::Webhook> shown;
  for (const Webhook& webhook : webhooks) {
    v1::Webhook& proto = shown.emplace_back();
    proto.set_name(webhook.name());
    proto.set_url(webhook.url);
    for (const Kind kind : webhook.kinds) proto.add_kinds(kind);
    // Who is erased has no address.
    if (webhook.initiator_id) proto.set_initiator(addresses[*webhook.initiator_id].Shown());
    ToProto(webhook.create_time, proto.mutable_create_time());
    proto.set_cursor(Encode(webhook.cursor));
  }
  return shown;
}

// NOT_FOUND.
absl::StatusOr<v1::Webhook> Read(data::Transaction& tx, const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const auto found, Webhooks(tx).Find(id));
  if (!found) return NotFound(kWebhookType, "webhooks/" + id.ToString());
  PARLEY_ASSIGN_OR_RETURN(auto shown, Show(tx, {*found}));
  return std::move(shown.front());
}

absl::StatusOr<std::optional<Uuid>> InitiatorOf(data::Transaction& tx, const std::optional<Address>& address) {
  if (!address) return std::nullopt;
  PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByAddresses({*address}));
  // The address itself stands in no error.
  if (users.empty()) return NotFound(kUserType, "the user that webhook.initiator names");
  return users.front().id;
}

// With its secret, which whoever asks again is not told.
absl::StatusOr<v1::Webhook> Create(data::Transaction& tx, const WebhookContext& context, const NewWebhook& parsed) {
  Webhook webhook;
  webhook.id = Uuid::TimeOrdered();
  webhook.url = parsed.url;
  webhook.kinds = parsed.kinds;
  PARLEY_ASSIGN_OR_RETURN(webhook.initiator_id, InitiatorOf(tx, parsed.initiator));
  PARLEY_ASSIGN_OR_RETURN(webhook.cursor, data::EndOfLog(tx));
  PARLEY_ASSIGN_OR_RETURN(const int64_t count, Webhooks(tx).LockAndCount());
  if (count >= context.max_webhooks) {
    return RateLimited(absl::StrCat("there are ", count, " webhooks, as many as there may be"), kLimitPause);
  }
  PARLEY_RETURN_IF_ERROR(Webhooks(tx).Insert(webhook));
  PARLEY_ASSIGN_OR_RETURN(v1::Webhook made, Read(tx, webhook.id));
  made.set_secret(context.key.SecretOf(webhook.id));
  return made;
}

}  // namespace

absl::Status CreateWebhook(const WebhookContext& context, const rpc::Call& call,
                           const v1::CreateWebhookRequest& request, v1::Webhook& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const NewWebhook parsed = Parse(request.webhook(), fields);
  const auto request_id = rpc::RequestIdOf(call, request, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(CheckStaff(call, "webhooks"));
  auto create = [&](data::Transaction& tx) -> absl::StatusOr<v1::Webhook> {
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, context.signer, request_id));
    if (answered) return Read(tx, answered->ids.front());
    PARLEY_ASSIGN_OR_RETURN(v1::Webhook made, Create(tx, context, parsed));
    const Uuid id = *rpc::ParseName(made.name(), "webhooks");
    PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, context.signer, request_id, {{id}, 0}));
    return made;
  };
  PARLEY_ASSIGN_OR_RETURN(response, data::Transact(context.pool, call.deadline, create));
  return absl::OkStatus();
}

absl::Status GetWebhook(const WebhookContext& context, const rpc::Call& call, const v1::GetWebhookRequest& request,
                        v1::Webhook& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid id = ParseId(request.name(), "name", fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(CheckStaff(call, request.name()));
  PARLEY_ASSIGN_OR_RETURN(
      response, data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) { return Read(tx, id); }));
  return absl::OkStatus();
}

absl::Status ListWebhooks(const WebhookContext& context, const rpc::Call& call, const v1::ListWebhooksRequest& request,
                          v1::ListWebhooksResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  if (request.page_size() < 0) fields.Add("page_size", "must not be negative");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  const std::string list = "ListWebhooks";
  std::optional<Uuid> before;
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(context.signer, list, request.page_token()));
    before = Uuid::FromBytes(cursor);
  }
  PARLEY_RETURN_IF_ERROR(CheckStaff(call, "webhooks"));
  const int page_size = rpc::PageSize(request.page_size(), kPageSize, kMaxPageSize);
  auto read = [&](data::Transaction& tx) -> absl::StatusOr<v1::ListWebhooksResponse> {
    // One more than the page holds tells whether another follows.
    PARLEY_ASSIGN_OR_RETURN(auto found, Webhooks(tx).List(before, page_size + 1));
    v1::ListWebhooksResponse page;
    if (found.size() > static_cast<size_t>(page_size)) {
      found.pop_back();
      page.set_next_page_token(rpc::MakePageToken(context.signer, list, found.back().id.ToBytes()));
    }
    PARLEY_ASSIGN_OR_RETURN(auto shown, Show(tx, found));
    for (v1::Webhook& webhook : shown) *page.add_webhooks() = std::move(webhook);
    return page;
  };
  PARLEY_ASSIGN_OR_RETURN(response, data::Transact(context.pool, call.deadline, read));
  return absl::OkStatus();
}

absl::Status DeleteWebhook(const WebhookContext& context, const rpc::Call& call,
                           const v1::DeleteWebhookRequest& request, google::protobuf::Empty&) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid id = ParseId(request.name(), "name", fields);
  const auto request_id = rpc::RequestIdOf(call, request, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(CheckStaff(call, request.name()));
  return data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, context.signer, request_id));
    if (answered) return absl::OkStatus();
    PARLEY_ASSIGN_OR_RETURN(const bool deleted, Webhooks(tx).Delete(id));
    if (!deleted) return NotFound(kWebhookType, request.name());
    return rpc::Remember(tx, context.signer, request_id, {{id}, 0});
  });
}

absl::Status ReplayWebhook(const WebhookContext& context, const rpc::Call& call,
                           const v1::ReplayWebhookRequest& request, v1::Webhook& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid id = ParseId(request.name(), "name", fields);
  const auto request_id = rpc::RequestIdOf(call, request, fields);
  // From the beginning of the log where it is empty.
  const auto cursor = request.cursor().empty() ? data::LogCursor() : data::DecodeLogCursor(request.cursor());
  if (!cursor)
    fields.Add("cursor", "must be a cursor, as webhooks, deliveries, bodies and messages of WatchEvents bring it");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(CheckStaff(call, request.name()));
  auto replay = [&](data::Transaction& tx) -> absl::StatusOr<v1::Webhook> {
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, context.signer, request_id));
    if (answered) return Read(tx, id);
    PARLEY_RETURN_IF_ERROR(Read(tx, id).status());
    PARLEY_RETURN_IF_ERROR(CheckLogCursor(tx, *cursor));
    PARLEY_RETURN_IF_ERROR(Webhooks(tx).Move({id}, *cursor));
    PARLEY_RETURN_IF_ERROR(WebhookDeliveries(tx).MakeDue(id));
    PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, context.signer, request_id, {{id}, 0}));
    return Read(tx, id);
  };
  PARLEY_ASSIGN_OR_RETURN(response, data::Transact(context.pool, call.deadline, replay));
  return absl::OkStatus();
}

}  // namespace parley::notification
