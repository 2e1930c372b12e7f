// Unsubscribe, and the list of suppressions for staff: GetSuppression, ListSuppressions, DeleteSuppression.
#include "common/access/access.h"
#include "common/rpc/page_token.h"
#include "common/rpc/request_id.h"
#include "common/rpc/resource_name.h"
#include "common/time/proto_time.h"
#include "services/notification/notification_server.h"
#include "services/notification/suppressions.h"

namespace parley::notification {
namespace {

constexpr int kPageSize = 50;
constexpr int kMaxPageSize = 100;

// Whether or not it exists.
absl::Status CheckStaff(const rpc::Call& call, std::string_view name) {
  if (IsStaff(call)) return absl::OkStatus();
  return OfResource(Forbidden("only staff see and lift suppressions"), kSuppressionType, name);
}

Uuid ParseId(std::string_view name, FieldViolations& fields) {
  const auto id = rpc::ParseName(name, "suppressions");
  if (!id) fields.Add("name", "must be suppressions/{suppression} with its id");
  return id.value_or(Uuid{});
}

void Fill(const Suppression& suppression, v1::Suppression& proto) {
  proto.set_name(suppression.name());
  proto.set_reason(suppression.reason);
  proto.set_detail(suppression.detail);
  ToProto(suppression.create_time, proto.mutable_create_time());
}

// Which part of the list a call asks for.
struct ListQuery {
  std::optional<Address> address;
  std::optional<Uuid> before;
  int limit;  // one more than the page holds tells whether another follows
};

absl::StatusOr<std::vector<Suppression>> Read(data::Transaction& tx, const SuppressionKey& key,
                                              const ListQuery& query) {
  if (!query.address) return Suppressions(tx).List(query.before, query.limit);
  PARLEY_ASSIGN_OR_RETURN(const auto found, Suppressions(tx).FindByMac(key.Mac(*query.address)));
  return found ? std::vector<Suppression>{*found} : std::vector<Suppression>{};
}

}  // namespace

absl::Status Unsubscribe(const Context& context, const rpc::Call& call, const v1::UnsubscribeRequest& request,
                         google::protobuf::Empty&) {
  FieldViolations fields;
  const auto address_mac = context.suppression_key.ParseUnsubscribeToken(request.token());
  if (!address_mac) fields.Add("token", "must be a token as it was mailed: parley_unsubscribe_...");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) {
    return Suppressions(tx).Insert(*address_mac, v1::Suppression::UNSUBSCRIBED, "");
  });
}

absl::Status GetSuppression(const Context& context, const rpc::Call& call, const v1::GetSuppressionRequest& request,
                            v1::Suppression& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid id = ParseId(request.name(), fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(CheckStaff(call, request.name()));
  PARLEY_ASSIGN_OR_RETURN(const auto found, data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) {
                            return Suppressions(tx).Find(id);
                          }));
  if (!found) return NotFound(kSuppressionType, request.name());
  Fill(*found, response);
  return absl::OkStatus();
}

absl::Status ListSuppressions(const Context& context, const rpc::Call& call, const v1::ListSuppressionsRequest& request,
                              v1::ListSuppressionsResponse& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  ListQuery query;
  if (request.page_size() < 0) fields.Add("page_size", "must not be negative");
  if (!request.address().empty()) {
    const auto address = ParseAddress(request.address());
    if (!address.ok()) fields.Add("address", std::string(address.status().message()));
    if (address.ok()) query.address = *address;
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  const std::string list = "ListSuppressions " + (query.address ? query.address->Key() : "");
  if (!request.page_token().empty()) {
    PARLEY_ASSIGN_OR_RETURN(const std::string cursor, rpc::ParsePageToken(context.signer, list, request.page_token()));
    query.before = Uuid::FromBytes(cursor);
  }
  PARLEY_RETURN_IF_ERROR(CheckStaff(call, "suppressions"));
  const int page_size = rpc::PageSize(request.page_size(), kPageSize, kMaxPageSize);
  query.limit = page_size + 1;
  PARLEY_ASSIGN_OR_RETURN(auto found, data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) {
                            return Read(tx, context.suppression_key, query);
                          }));
  if (found.size() > static_cast<size_t>(page_size)) {
    found.pop_back();
    response.set_next_page_token(rpc::MakePageToken(context.signer, list, found.back().id.ToBytes()));
  }
  for (const Suppression& suppression : found) Fill(suppression, *response.add_suppressions());
  return absl::OkStatus();
}

absl::Status DeleteSuppression(const Context& context, const rpc::Call& call,
                               const v1::DeleteSuppressionRequest& request, google::protobuf::Empty&) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid id = ParseId(request.name(), fields);
  const auto request_id = rpc::RequestIdOf(call, request, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(CheckStaff(call, request.name()));
  return data::Transact(context.pool, call.deadline, [&](data::Transaction& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, context.signer, request_id));
    if (answered) return absl::OkStatus();
    PARLEY_ASSIGN_OR_RETURN(const bool deleted, Suppressions(tx).Delete(id));
    if (!deleted) return NotFound(kSuppressionType, request.name());
    return rpc::Remember(tx, context.signer, request_id, {{id}, 0});
  });
}

}  // namespace parley::notification
