// What the tests of the token service share: a database, the handlers on it, and callers of each kind.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "absl/time/clock.h"
#include "common/data/api_keys.h"
#include "common/data/events.h"
#include "common/data/users.h"
#include "google/rpc/error_details.pb.h"
#include "services/token/credential_handlers.h"
#include "services/token/token_handlers.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::token {

inline constexpr absl::StatusCode kUnauthenticated = absl::StatusCode::kUnauthenticated;
inline constexpr absl::StatusCode kPermissionDenied = absl::StatusCode::kPermissionDenied;
inline constexpr absl::StatusCode kInvalidArgument = absl::StatusCode::kInvalidArgument;
inline constexpr absl::StatusCode kNotFound = absl::StatusCode::kNotFound;

// A caller's call, with time enough.
inline rpc::Call CallBy(rpc::Principal principal) {
  return {std::move(principal), "test", absl::Now(), absl::Now() + absl::Minutes(1)};
}

inline rpc::Call CallByNobody() { return CallBy({}); }
inline rpc::Call CallByService(std::string_view name) { return CallBy(rpc::Principal::Service(name)); }

inline rpc::Call CallByUser(const data::User& user) {
  rpc::Principal principal;
  principal.kind = rpc::Principal::Kind::kUser;
  principal.user_id = user.id;
  principal.staff = user.role == v1::User::STAFF;
  principal.active = user.active();
  return CallBy(principal);
}

inline std::string NameOf(const data::User& user) { return "users/" + user.id.ToString(); }

// A call that answers with a Response, as an expression.
template <class Request, class Response>
absl::StatusOr<Response> Answer(const TokenHandlers& handlers,
                                absl::Status (TokenHandlers::*method)(const rpc::Call&, const Request&, Response&)
                                    const,
                                const rpc::Call& call, const std::type_identity_t<Request>& request) {
  Response response;
  PARLEY_RETURN_IF_ERROR((handlers.*method)(call, request, response));
  return response;
}

template <class Request>
Request Named(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

// A detail of an error; empty where it has none.
template <class Detail, class Result>
Detail DetailOf(const Result& result) {
  Detail detail;
  const auto payload =
      data::StatusOf(result).GetPayload("type.googleapis.com/" + std::string(Detail::descriptor()->full_name()));
  if (payload) detail.ParseFromString(std::string(*payload));
  return detail;
}

template <class Result>
std::vector<std::string> BadFieldsOf(const Result& result) {
  EXPECT_THAT(result, test::Fails(kInvalidArgument, error::v1::INVALID_FIELDS));
  std::vector<std::string> fields;
  const auto bad_request = DetailOf<google::rpc::BadRequest>(result);
  for (const auto& violation : bad_request.field_violations()) fields.push_back(violation.field());
  return fields;
}

class TokenTest : public ::testing::Test {
 protected:
  static constexpr absl::Duration kLifetime = absl::Hours(36);

  // Runs `fn(Transaction&)` in a transaction that must succeed.
  template <class Fn>
  auto InTransaction(Fn fn) {
    auto result = data::Transact(pool, absl::Now() + absl::Minutes(1), fn);
    if (!result.ok()) ADD_FAILURE() << data::StatusOf(result);
    return *std::move(result);
  }

  data::User MakeUser(const std::string& address, data::User::Role role = v1::User::MEMBER) {
    return InTransaction([&](data::Transaction& tx) { return data::Users(tx).Register(*ParseAddress(address), role); });
  }

  // Named by somebody, never registered.
  data::User MakeInactiveUser(const std::string& address) {
    return InTransaction([&](data::Transaction& tx) -> absl::StatusOr<data::User> {
      PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindOrCreate({*ParseAddress(address)}));
      return users.front();
    });
  }

  // The key.
  std::string MakeApiKey(const data::User& user) {
    return InTransaction([&](data::Transaction& tx) { return data::ApiKeys(tx).Create(user.id); }).key;
  }

  Uuid MakeEvent(const std::vector<data::User>& parties) {
    return InTransaction([&](data::Transaction& tx) -> absl::StatusOr<Uuid> {
      data::Event event;
      event.id = Uuid::TimeOrdered();
      event.title = "lunch";
      for (const data::User& user : parties) event.parties.push_back({user.id, user.address});
      event.initiator_id = parties.front().id;
      event.create_time = event.update_time = tx.now();
      PARLEY_RETURN_IF_ERROR(data::Events(tx).Insert({event}));
      return event.id;
    });
  }

  struct Guest {
    std::string key;
    std::string name;  // of the e-mail token
    rpc::Call call;
  };

  // A party of the event with an e-mail token.
  Guest MakeGuest(const Uuid& event_id, const data::User& user) {
    internal::token::v1::CreateEmailTokensRequest request;
    request.add_holders()->set_event_id(event_id.ToBytes());
    request.mutable_holders(0)->set_user_id(user.id.ToBytes());
    internal::token::v1::CreateEmailTokensResponse response;
    EXPECT_THAT(credentials.CreateEmailTokens(CallByService("notification"), request, response), test::Succeeds());
    const auto made =
        response.results_size() == 1 ? response.results(0) : internal::token::v1::CreateEmailTokensResponse::Result();
    rpc::Principal principal = CallByUser(user).principal;
    principal.staff = false;
    principal.credential_id = Uuid::FromBytes(made.email_token_id()).value_or(Uuid{});
    principal.event_id = event_id;
    return {made.key(), "events/" + event_id.ToString() + "/emailTokens/" + principal.credential_id.ToString(),
            CallBy(principal)};
  }

  void Delete(const Uuid& event_id) {
    database.Sql("update events set delete_time = now() where event_id = '" + event_id.ToString() + "'");
  }

  absl::StatusOr<internal::token::v1::CheckCredentialResponse> Check(const std::string& key,
                                                                     const std::string& act_for = "") {
    internal::token::v1::CheckCredentialRequest request;
    request.set_key(key);
    request.set_act_for(act_for);
    internal::token::v1::CheckCredentialResponse response;
    PARLEY_RETURN_IF_ERROR(credentials.CheckCredential(CallByService("gateway"), request, response));
    return response;
  }

  // Every row of every table, with the transaction that wrote it: a write shows even where it writes what was there.
  std::string AllRows() const {
    return database.Sql(
        "select string_agg(query_to_xml(format('select xmin::text, r::text from parley.%I r order by 2', relname), "
        "true, false, relname)::text, '' order by relname) from pg_class "
        "where relnamespace = 'parley'::regnamespace and relkind = 'r'");
  }

  std::string Count(const std::string& table) const { return database.Sql("select count(*)::text from " + table); }

  const test::TestDatabase database;
  data::Pool pool{database.service_url(), 4};
  const rpc::Signer signer = *rpc::Signer::Make("0123456789abcdef0123456789abcdef");
  const TokenHandlers tokens{pool, signer};
  const CredentialHandlers credentials{pool, kLifetime};
};

}  // namespace parley::token
