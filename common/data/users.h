// Users: e-mail addresses with a state and a role (domain rules U1 to U4). Users exist once for each address, whatever
// races: naming an unknown one makes it, inactive. Who is erased exists no longer (Erasures).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/address/address.h"
#include "common/data/transaction.h"
#include "parley/token/v1/user.pb.h"

namespace parley {

// Of resources, in errors.
inline constexpr char kUserType[] = "parley.token.v1.User";

}  // namespace parley

namespace parley::data {

struct User {
  using State = token::v1::User::State;
  using Role = token::v1::User::Role;

  Uuid id;
  Address address;
  State state = token::v1::User::INACTIVE;
  Role role = token::v1::User::MEMBER;
  absl::Time create_time;

  bool active() const { return state == token::v1::User::ACTIVE; }
  // `users/...`
  std::string name() const { return "users/" + id.ToString(); }
  // Stands for state and role.
  std::string etag() const { return std::to_string(state) + "." + std::to_string(role); }
};

// Within one transaction, which must outlive it.
class Users {
 public:
  explicit Users(Transaction& tx) : tx_(tx) {}

  // Those that exist, in no particular order.
  absl::StatusOr<std::vector<User>> FindByIds(absl::Span<const Uuid> ids);
  absl::StatusOr<std::vector<User>> FindByAddresses(absl::Span<const Address> addresses);
  // All of them, those that were unknown now INACTIVE members; in no particular order, each once.
  absl::StatusOr<std::vector<User>> FindOrCreate(absl::Span<const Address> addresses);
  // Newest first, older than `before` where there is one.
  absl::StatusOr<std::vector<User>> List(const std::optional<Uuid>& before, int limit);
  // Locks its row until the transaction ends; nothing where it does not exist.
  absl::StatusOr<std::optional<User>> Lock(const Uuid& id);
  // Makes the user of this address ACTIVE with this role, creating it if need be. ALREADY_EXISTS where it is active, or
  // deactivated.
  absl::StatusOr<User> Register(const Address& address, User::Role role);
  // Gives an existing user this state and role.
  absl::Status Save(const Uuid& id, User::State state, User::Role role);

 private:
  Transaction& tx_;
};

}  // namespace parley::data
