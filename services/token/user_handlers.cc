// Users: CreateUser, GetUser, ListUsers, UpdateUser, ActivateUser, DeactivateUser, EraseUser (rules U1 to U4, A7).
#include <functional>
#include <set>

#include "common/access/access.h"
#include "common/data/erasures.h"
#include "common/rpc/request_id.h"
#include "common/time/proto_time.h"
#include "services/token/named_users.h"
#include "services/token/pages.h"
#include "services/token/token_handlers.h"

namespace parley::token {
namespace {

void Fill(const data::User& user, v1::User& proto) {
  proto.set_name(user.name());
  proto.set_address(user.address.ToString());
  proto.set_state(user.state);
  proto.set_role(user.role);
  ToProto(user.create_time, proto.mutable_create_time());
  proto.set_etag(user.etag());
}

v1::User::Role ParseRole(v1::User::Role role, FieldViolations& fields) {
  if (!v1::User::Role_IsValid(role)) fields.Add("user.role", "must be MEMBER or STAFF");
  return role == v1::User::ROLE_UNSPECIFIED ? v1::User::MEMBER : role;
}

// A call that is to change a user.
struct Target {
  Uuid id;
  std::string etag;  // empty where it does not matter
  std::optional<rpc::RequestId> request_id;
};

// Sets the state or the role of the locked user.
using Change = std::function<void(data::User&)>;

// The user as it stands after the call, also where that was made before: then as it stands now.
absl::StatusOr<data::User> ChangeUser(data::Pool& pool, const rpc::Signer& signer, const rpc::Call& call,
                                      const Target& target, const Change& change) {
  return data::Transact(pool, call.deadline, [&](data::Transaction& tx) -> absl::StatusOr<data::User> {
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, signer, target.request_id));
    if (answered) return FindUser(tx, target.id);
    data::Users users(tx);
    PARLEY_ASSIGN_OR_RETURN(const auto found, users.Lock(target.id));
    if (!found) return NotFound(kUserType, "users/" + target.id.ToString());
    if (!target.etag.empty() && target.etag != found->etag()) return EtagMismatch(found->etag());
    data::User user = *found;
    change(user);
    PARLEY_RETURN_IF_ERROR(users.Save(user.id, user.state, user.role));
    PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, signer, target.request_id, {{user.id}, 0}));
    return user;
  });
}

// Of ActivateUser and DeactivateUser.
template <class Request>
absl::StatusOr<Target> ParseTarget(const rpc::Call& call, const Request& request) {
  FieldViolations fields;
  Target target{ParseUser(request.name(), "name", fields), request.etag(), rpc::RequestIdOf(call, request, fields)};
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(RequireStaff(call, request.name()));
  return target;
}

}  // namespace

absl::Status TokenHandlers::CreateUser(const rpc::Call& call, const v1::CreateUserRequest& request,
                                       v1::User& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const auto address = ParseAddress(request.user().address());
  if (!address.ok()) fields.Add("user.address", std::string(address.status().message()));
  const v1::User::Role role = ParseRole(request.user().role(), fields);
  const auto request_id = rpc::RequestIdOf(call, request, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(RequireStaff(call));
  auto create = [&](data::Transaction& tx) -> absl::StatusOr<data::User> {
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, signer_, request_id));
    if (answered) return FindUser(tx, answered->ids.front());
    PARLEY_ASSIGN_OR_RETURN(const data::User user, data::Users(tx).Register(*address, role));
    PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, signer_, request_id, {{user.id}, 0}));
    return user;
  };
  PARLEY_ASSIGN_OR_RETURN(const data::User user, data::Transact(pool_, call.deadline, create));
  Fill(user, response);
  return absl::OkStatus();
}

absl::Status TokenHandlers::GetUser(const rpc::Call& call, const v1::GetUserRequest& request,
                                    v1::User& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid id = ParseUserOrSelf(call, request.name(), "name", fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(OfResource(CheckMember(call), kUserType, request.name()));
  if (!MaySeeUser(call, id)) return Hidden(kUserType, request.name());
  PARLEY_ASSIGN_OR_RETURN(const data::User user, data::Transact(pool_, call.deadline, [&](data::Transaction& tx) {
                            return FindUser(tx, id);
                          }));
  Fill(user, response);
  return absl::OkStatus();
}

absl::Status TokenHandlers::ListUsers(const rpc::Call& call, const v1::ListUsersRequest& request,
                                      v1::ListUsersResponse& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  CheckPageSize(request.page_size(), fields);
  const auto address = ParseAddress(request.address());
  if (!request.address().empty() && !address.ok()) fields.Add("address", std::string(address.status().message()));
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_ASSIGN_OR_RETURN(
      const Page page, ParsePage(signer_, "ListUsers " + request.address(), request.page_size(), request.page_token()));
  PARLEY_RETURN_IF_ERROR(RequireStaff(call));

  PARLEY_ASSIGN_OR_RETURN(auto users, data::Transact(pool_, call.deadline, [&](data::Transaction& tx) {
                            return address.ok() ? data::Users(tx).FindByAddresses({*address})
                                                : data::Users(tx).List(page.before, page.limit());
                          }));
  response.set_next_page_token(EndPage(signer_, page, users));
  for (const data::User& user : users) Fill(user, *response.add_users());
  return absl::OkStatus();
}

absl::Status TokenHandlers::UpdateUser(const rpc::Call& call, const v1::UpdateUserRequest& request,
                                       v1::User& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Target target{ParseUser(request.user().name(), "user.name", fields), request.user().etag(),
                      rpc::RequestIdOf(call, request, fields)};
  std::set<std::string> mask(request.update_mask().paths().begin(), request.update_mask().paths().end());
  const bool sets_role = request.has_update_mask() ? mask.erase("role") + mask.erase("*") > 0
                                                   : request.user().role() != v1::User::ROLE_UNSPECIFIED;
  if (!mask.empty()) fields.Add("update_mask", "must name only role");
  if (!sets_role) fields.Add("user", "would change nothing: only the role can be set");
  const v1::User::Role role = ParseRole(request.user().role(), fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(RequireStaff(call, request.user().name()));
  PARLEY_ASSIGN_OR_RETURN(const data::User user,
                          ChangeUser(pool_, signer_, call, target, [&](data::User& changed) { changed.role = role; }));
  Fill(user, response);
  return absl::OkStatus();
}

absl::Status TokenHandlers::ActivateUser(const rpc::Call& call, const v1::ActivateUserRequest& request,
                                         v1::User& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const Target target, ParseTarget(call, request));
  auto activate = [](data::User& user) { user.state = v1::User::ACTIVE; };
  PARLEY_ASSIGN_OR_RETURN(const data::User user, ChangeUser(pool_, signer_, call, target, activate));
  Fill(user, response);
  return absl::OkStatus();
}

absl::Status TokenHandlers::DeactivateUser(const rpc::Call& call, const v1::DeactivateUserRequest& request,
                                           v1::User& response) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const Target target, ParseTarget(call, request));
  auto deactivate = [](data::User& user) { user.state = v1::User::DEACTIVATED; };
  PARLEY_ASSIGN_OR_RETURN(const data::User user, ChangeUser(pool_, signer_, call, target, deactivate));
  Fill(user, response);
  return absl::OkStatus();
}

absl::Status TokenHandlers::EraseUser(const rpc::Call& call, const v1::EraseUserRequest& request,
                                      google::protobuf::Empty&) const {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  FieldViolations fields;
  const Uuid id = ParseUserOrSelf(call, request.name(), "name", fields);
  const auto request_id = rpc::RequestIdOf(call, request, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  PARLEY_RETURN_IF_ERROR(OfResource(CheckMember(call), kUserType, request.name()));
  if (!MaySeeUser(call, id)) return Hidden(kUserType, request.name());
  auto erase = [&](data::Transaction& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, signer_, request_id));
    if (answered) return absl::OkStatus();
    PARLEY_ASSIGN_OR_RETURN(const bool erased, data::Erasures(tx).Erase(id, EffectorOf(call.principal)));
    if (!erased) return NotFound(kUserType, "users/" + id.ToString());
    // Of who is gone nothing is remembered.
    return id == call.principal.user_id ? absl::OkStatus() : rpc::Remember(tx, signer_, request_id, {{id}, 0});
  };
  PARLEY_RETURN_IF_ERROR(data::Transact(pool_, call.deadline, erase));
  // In small steps, which nobody waits for. Where this is broken off, the event service goes on with it.
  for (bool more = true; more;) {
    PARLEY_ASSIGN_OR_RETURN(more, data::Transact(pool_, call.deadline, [&](data::Transaction& tx) {
                              return data::Erasures(tx).BlankSome(id);
                            }));
  }
  return absl::OkStatus();
}

}  // namespace parley::token
