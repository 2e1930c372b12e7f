// Users as calls name them, and who may do something to them: what the handlers of users and API keys share.
#pragma once

#include <string_view>

#include "common/data/users.h"
#include "common/rpc/call.h"
#include "common/status/status.h"

namespace parley::token {

// PERMISSION_DENIED for all but staff; UNAUTHENTICATED for nobody. `name` is that of the user in question; empty for
// none.
absl::Status RequireStaff(const rpc::Call& call, std::string_view name = {});
// Users see themselves, staff all.
bool MaySeeUser(const rpc::Call& call, const Uuid& user_id);

// `users/{user}`, or `users/self` for the caller. Nil for a bad field.
Uuid ParseUserOrSelf(const rpc::Call& call, std::string_view name, std::string_view field, FieldViolations& fields);
// `users/{user}`. Nil for a bad field.
Uuid ParseUser(std::string_view name, std::string_view field, FieldViolations& fields);

// NOT_FOUND.
absl::StatusOr<data::User> FindUser(data::Transaction& tx, const Uuid& id);

}  // namespace parley::token
