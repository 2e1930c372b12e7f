// Users: e-mail addresses with a state and a role (domain rules U1 to U3). Users exist once for each address, whatever
// races: naming an unknown one makes it, inactive.
#pragma once

#include <string>
#include <vector>

#include "common/address/address.h"
#include "common/data/transaction.h"
#include "parley/token/v1/user.pb.h"

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
  // Makes the user of this address ACTIVE with this role, creating it if need be. ALREADY_EXISTS where it is active.
  absl::StatusOr<User> Register(const Address& address, User::Role role);
  // Gives an existing user another role.
  absl::Status SetRole(const Uuid& id, User::Role role);

 private:
  Transaction& tx_;
};

}  // namespace parley::data
