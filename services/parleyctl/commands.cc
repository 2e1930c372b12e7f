#include "services/parleyctl/commands.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/address/address.h"
#include "common/data/api_keys.h"
#include "common/data/schema.h"
#include "common/data/transaction.h"
#include "common/data/users.h"
#include "common/rpc/channel.h"
#include "common/status/status.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace parley::ctl {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr absl::Duration kDatabaseTime = absl::Seconds(30);
constexpr absl::Duration kPause = absl::Milliseconds(50);

absl::StatusOr<data::User> RegisterStaff(data::Transaction& tx, const Address& address) {
  PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindOrCreate({address}));
  const data::User& user = users.front();
  if (user.state == token::v1::User::INACTIVE) return data::Users(tx).Register(address, token::v1::User::STAFF);
  PARLEY_RETURN_IF_ERROR(data::Users(tx).Save(user.id, token::v1::User::ACTIVE, token::v1::User::STAFF));
  return user;
}

}  // namespace

absl::StatusOr<std::string> CreateStaff(const std::string& database_url, const std::string& address) {
  const auto parsed = ParseAddress(address);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("the address ", parsed.status().message()));
  }
  data::Pool pool(database_url, 1);
  const absl::Time deadline = absl::Now() + kDatabaseTime;
  PARLEY_RETURN_IF_ERROR(data::CheckSchema(pool, deadline));
  return data::Transact(pool, deadline, [&](data::Transaction& tx) -> absl::StatusOr<std::string> {
    PARLEY_ASSIGN_OR_RETURN(const data::User user, RegisterStaff(tx, *parsed));
    PARLEY_ASSIGN_OR_RETURN(const data::NewApiKey made, data::ApiKeys(tx).Create(user.id));
    return made.key;
  });
}

absl::Status AwaitServing(const std::string& address, absl::Duration wait) {
  const absl::Time deadline = absl::Now() + wait;
  const auto stub = Health::NewStub(rpc::MakeChannel(address));
  std::string last = "nobody answers";
  // A watch ends where the process does: another one may come.
  while (absl::Now() < deadline) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    context.set_wait_for_ready(true);
    const auto watch = stub->Watch(&context, HealthCheckRequest());
    HealthCheckResponse response;
    while (watch->Read(&response)) {
      if (response.status() == HealthCheckResponse::SERVING) {
        context.TryCancel();
        return absl::OkStatus();
      }
      last = "it is there, but not ready";
    }
    const grpc::Status status = watch->Finish();
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) break;
    last = status.error_message();
    absl::SleepFor(std::min(kPause, deadline - absl::Now()));
  }
  return absl::UnavailableError(
      absl::StrCat(address, " is not serving after ", absl::FormatDuration(wait), ": ", last));
}

}  // namespace parley::ctl
