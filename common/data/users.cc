#include "common/data/users.h"

#include <algorithm>
#include <map>

#include "common/data/erasures.h"
#include "common/status/status.h"

namespace parley::data {
namespace {

User UserOf(const Row& row) {
  User user;
  user.id = row.GetUuid(0);
  user.address = {std::string(row.GetText(1)), std::string(row.GetText(2))};
  token::v1::User::State_Parse(std::string(row.GetText(3)), &user.state);
  token::v1::User::Role_Parse(std::string(row.GetText(4)), &user.role);
  user.create_time = row.GetTime(5);
  return user;
}

std::vector<User> UsersOf(const Result& result) {
  std::vector<User> users;
  for (int i = 0; i < result.size(); ++i) users.push_back(UserOf(result[i]));
  return users;
}

}  // namespace

#define PARLEY_SELECT_USERS "select user_id, local_part, domain, state, role, create_time from users "

constexpr Statement kFindByIds{"users_by_ids", PARLEY_SELECT_USERS "where user_id = any($1)"};

absl::StatusOr<std::vector<User>> Users::FindByIds(absl::Span<const Uuid> ids) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFindByIds, Params().AddUuids(ids)));
  return UsersOf(result);
}

constexpr Statement kFindByAddresses{"users_by_addresses", PARLEY_SELECT_USERS "where address_key = any($1)"};

absl::StatusOr<std::vector<User>> Users::FindByAddresses(absl::Span<const Address> addresses) {
  std::vector<std::string> keys;
  for (const Address& address : addresses) keys.push_back(address.Key());
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kFindByAddresses, Params().AddTexts(keys)));
  return UsersOf(result);
}

// Whoever inserts the same address at the same time is waited for here, and then found by the next statement.
constexpr Statement kCreateInactive{"create_inactive_users", R"sql(
  insert into users (user_id, address_key, local_part, domain, state, role, create_time)
  select user_id, address_key, local_part, domain, 'INACTIVE', 'MEMBER', now()
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as named (user_id, address_key, local_part, domain)
  on conflict (address_key) do nothing)sql"};

absl::StatusOr<std::vector<User>> Users::FindOrCreate(absl::Span<const Address> addresses) {
  PARLEY_ASSIGN_OR_RETURN(auto found, FindByAddresses(addresses));
  // Ordered by key, so that two transactions that make the same users wait for each other instead of locking up.
  std::map<std::string, Address> unknown;
  for (const Address& address : addresses) unknown.emplace(address.Key(), address);
  for (const User& user : found) unknown.erase(user.address.Key());
  if (unknown.empty()) return found;

  std::vector<Uuid> ids;
  std::vector<std::string> keys, local_parts, domains;
  for (const auto& [key, address] : unknown) {
    ids.push_back(Uuid::TimeOrdered());
    keys.push_back(key);
    local_parts.push_back(address.local_part);
    domains.push_back(address.domain);
  }
  PARLEY_RETURN_IF_ERROR(
      tx_.Execute(kCreateInactive, Params().AddUuids(ids).AddTexts(keys).AddTexts(local_parts).AddTexts(domains))
          .status());
  return FindByAddresses(addresses);
}

constexpr Statement kList{"list_users", PARLEY_SELECT_USERS "where user_id < $1 order by user_id desc limit $2"};

absl::StatusOr<std::vector<User>> Users::List(const std::optional<Uuid>& before, int limit) {
  PARLEY_ASSIGN_OR_RETURN(const Result result,
                          tx_.Execute(kList, Params().Add(before.value_or(Uuid::Max())).Add(int64_t{limit})));
  return UsersOf(result);
}

constexpr Statement kLock{"lock_user", PARLEY_SELECT_USERS "where user_id = $1 for no key update"};

absl::StatusOr<std::optional<User>> Users::Lock(const Uuid& id) {
  PARLEY_ASSIGN_OR_RETURN(const Result result, tx_.Execute(kLock, Params().Add(id)));
  if (result.empty()) return std::nullopt;
  return UserOf(result[0]);
}

constexpr Statement kRegister{"register_user", R"sql(
  update users set state = 'ACTIVE', role = $2, local_part = $3 where user_id = $1 and state = 'INACTIVE')sql"};

absl::StatusOr<User> Users::Register(const Address& address, User::Role role) {
  PARLEY_RETURN_IF_ERROR(Erasures(tx_).Hold());
  PARLEY_ASSIGN_OR_RETURN(const auto users, FindOrCreate({address}));
  User user = users.front();
  PARLEY_ASSIGN_OR_RETURN(
      const Result result,
      tx_.Execute(kRegister, Params().Add(user.id).Add(token::v1::User::Role_Name(role)).Add(address.local_part)));
  if (result.affected() == 0) {
    return AlreadyExists(kUserType, user.name(), "the address is registered already, as " + user.name());
  }
  user.state = token::v1::User::ACTIVE;
  user.role = role;
  user.address = address;
  return user;
}

constexpr Statement kSave{"save_user", "update users set state = $2, role = $3 where user_id = $1"};

absl::Status Users::Save(const Uuid& id, User::State state, User::Role role) {
  const Params params = Params().Add(id).Add(token::v1::User::State_Name(state)).Add(token::v1::User::Role_Name(role));
  return tx_.Execute(kSave, params).status();
}

}  // namespace parley::data
