// parley-token: users, API keys and e-mail tokens. Who is calling?
#include <iostream>

#include "absl/time/clock.h"
#include "common/config/config.h"
#include "common/data/purge.h"
#include "common/data/request_records.h"
#include "common/data/schema.h"
#include "common/data/workers.h"
#include "common/rpc/server.h"
#include "services/token/credential_handlers.h"
#include "services/token/email_tokens.h"
#include "services/token/token_handlers.h"
#include "services/token/token_server.h"

int main(int argc, char** argv) {
  using namespace parley;
  rpc::ServerSettings settings;
  std::string database_url, principal_secrets;
  int workers = 4;
  int queue_capacity = 1024;
  double email_token_days = 5;
  Config config("parley-token", "Users, API keys and e-mail tokens of Parley: who is calling?");
  settings.AddTo(config);
  config.AddSecret("database-url", database_url, "The database, as libpq takes it; the login is parley_service.");
  config.AddSecret("principal-secrets", principal_secrets,
                   "One or two lines of at least 32 characters, the same for all of Parley's processes.");
  config.Add("workers", workers, "Threads that run calls, each with a connection to the database.", 1, 64);
  config.Add("queue-capacity", queue_capacity, "How many calls may wait for a thread.", 1, 100000);
  config.Add("email-token-expiration-days", email_token_days,
             "After how many days an e-mail token expires; fractions are allowed.", 1e-6, 3650);
  config.EnvironmentName("PARLEY_EMAILTOKEN_EXPIRATION_DAYS");
  if (const auto exit_code = config.Parse(argc, argv)) return *exit_code;
  const auto signer = rpc::Signer::Make(principal_secrets);
  if (!signer.ok()) {
    std::cerr << "parley-token: " << signer.status().message() << " (PARLEY_PRINCIPAL_SECRETS)\n";
    return 2;
  }

  rpc::StartProcess("token", settings);
  // One connection more: to see whether the database is there while all threads work.
  data::Pool pool(database_url, workers + data::Purge::kConnections + 1);
  data::Workers threads(workers, queue_capacity);
  rpc::CallQueue queue{*signer, threads, settings.default_deadline};
  const token::TokenHandlers token_handlers(pool, *signer);
  const token::CredentialHandlers credential_handlers(pool, email_token_days * absl::Hours(24));
  token::TokenServer token_server(queue, token_handlers);
  token::CredentialServer credential_server(queue, credential_handlers);
  data::Purge purge(
      pool, data::PurgeTurn::kToken,
      {{"email tokens", [](data::Transaction& tx, absl::Time from) { return token::EmailTokens(tx).Purge(from); }},
       // All services', who remember calls in one table.
       {"request ids", [](data::Transaction& tx, absl::Time from) { return data::RequestRecords(tx).Purge(from); }}});
  auto ready = [&] {
    absl::Status status = data::CheckSchema(pool, absl::Now() + absl::Seconds(5));
    if (status.ok()) purge.Start();
    return status;
  };
  return rpc::Serve(settings, {.names = {std::string(token::v1::TokenService::service_full_name()),
                                         std::string(internal::token::v1::CredentialService::service_full_name())},
                               .services = {&token_server, &credential_server},
                               .ready = ready,
                               .drain = [&purge](absl::Time) { purge.EndSoon(); }});
}
