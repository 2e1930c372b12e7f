#include "services/token/named_users.h"

#include "common/access/access.h"
#include "common/rpc/resource_name.h"

namespace parley::token {

absl::Status RequireStaff(const rpc::Call& call, std::string_view name) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  if (IsStaff(call)) return absl::OkStatus();
  const absl::Status status = Forbidden("only staff may do this");
  return name.empty() ? status : OfResource(status, kUserType, name);
}

bool MaySeeUser(const rpc::Call& call, const Uuid& user_id) {
  return IsStaff(call) || call.principal.user_id == user_id;
}

Uuid ParseUserOrSelf(const rpc::Call& call, std::string_view name, std::string_view field, FieldViolations& fields) {
  if (name == "users/self") return call.principal.user_id;
  const auto id = rpc::ParseName(name, "users");
  if (!id) fields.Add(field, "must be users/{user} or users/self");
  return id.value_or(Uuid{});
}

Uuid ParseUser(std::string_view name, std::string_view field, FieldViolations& fields) {
  const auto id = rpc::ParseName(name, "users");
  if (!id) fields.Add(field, "must be users/{user}");
  return id.value_or(Uuid{});
}

absl::StatusOr<data::User> FindUser(data::Transaction& tx, const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindByIds({id}));
  if (users.empty()) return NotFound(kUserType, "users/" + id.ToString());
  return users.front();
}

}  // namespace parley::token
