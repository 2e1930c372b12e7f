#include <iostream>

#include "common/config/config.h"
#include "common/data/schema.h"
#include "common/data/workers.h"
#include "common/rpc/server.h"
#include "services/event/event_server.h"

int main(int argc, char** argv) {
  using namespace parley;

  rpc::ServerSettings settings;
  std::string database_url, secrets;
  // Few, so that what waits is run together.
  int workers = 2;
  int queue_capacity = 1024;
  int views_per_minute = 60;
  event::Limits limits;
  Config config("parley-event", "Events and their log: what is being negotiated, and what happened?");
  settings.AddTo(config);
  config.AddSecret("database-url", database_url, "The database, as the login parley_service.");
  config.AddSecret("principal-secrets", secrets, "One or two secrets that Parley's processes share, a line each.");
  config.Add("workers", workers, "Threads that run calls, each with a connection to the database.", 1, 64);
  config.Add("queue-capacity", queue_capacity, "Calls that may wait; more are refused at once.", 1, 1000000);
  config.Add("max-parties", limits.max_parties, "The most parties of an event.", 1, 1000);
  config.Add("max-slots", limits.max_slots, "The most slots of an event.", 1, 1000);
  config.Add("views-per-minute", views_per_minute, "How often a caller may get one event, in each process.", 1,
             1000000);
  if (auto exit_code = config.Parse(argc, argv)) return *exit_code;
  const auto signer = rpc::Signer::Make(secrets);
  if (!signer.ok()) {
    std::cerr << "parley-event: " << signer.status().message() << "\n";
    return 2;
  }

  rpc::StartProcess("event", settings);
  // One more than the workers, so that they never hold back the check whether the database is there.
  data::Pool pool(database_url, workers + 1);
  data::Workers threads(workers, queue_capacity);
  rpc::CallQueue queue{*signer, threads, settings.default_deadline};
  rpc::Limiter views(absl::Minutes(1) / views_per_minute, views_per_minute);
  const event::Context context{pool, *signer, views, limits};
  event::EventServer server(context, queue);
  return rpc::Serve(settings, {.names = {std::string(event::v1::EventService::service_full_name())},
                               .services = {&server},
                               .generic = nullptr,
                               .ready = [&pool] { return data::CheckSchema(pool, absl::Now() + absl::Seconds(5)); }});
}
