#include <unistd.h>

#include <iostream>

#include "common/config/config.h"
#include "common/data/schema.h"
#include "common/data/workers.h"
#include "common/rpc/server.h"
#include "services/event/eraser.h"
#include "services/event/event_server.h"
#include "services/event/log_server.h"
#include "services/event/sequencer.h"

int main(int argc, char** argv) {
  using namespace parley;

  rpc::ServerSettings settings;
  std::string database_url, secrets, log_key, checkpoint_dir, token_address;
  // One with its turn, those that wait for their commits beside it, and some for what is no batch.
  int workers = 4;
  int queue_capacity = 1024;
  int views_per_minute = 60;
  event::Limits limits;
  event::WatchSettings watching;
  Config config("parley-event", "Events and their log: what is being negotiated, and what happened?");
  settings.AddTo(config);
  config.AddSecret("database-url", database_url, "The database, as the login parley_service.");
  config.AddSecret("principal-secrets", secrets, "One or two secrets that Parley's processes share, a line each.");
  config.AddSecret("log-key", log_key,
                   "The Ed25519 key that signs the log's checkpoints, in PEM: openssl genpkey -algorithm ed25519.");
  config.Add("checkpoint-dir", checkpoint_dir,
             "A folder for the last checkpoint that was signed, outside of the database: to be kept, shared by all "
             "processes, and not restored with it.");
  config.Required();
  config.Add(
      "token-address", token_address,
      "The token service, which is asked whether the callers of open streams still may: unix:/path, host:port or, for "
      "several, dns:///name:port.");
  config.Required();
  config.Add("workers", workers, "Threads that run calls, each with a connection to the database.", 1, 64);
  config.Add("queue-capacity", queue_capacity, "Calls that may wait; more are refused at once.", 1, 1000000);
  config.Add("max-parties", limits.max_parties, "The most parties of an event.", 1, 1000);
  config.Add("max-slots", limits.max_slots, "The most slots of an event.", 1, 1000);
  config.Add("views-per-minute", views_per_minute, "How often a caller may get one event, in each process.", 1,
             1000000);
  config.Add("max-watches", watching.max_watches, "The most watches that are open at once, in each process.", 1,
             1000000);
  config.Add("max-watches-of-caller", watching.max_watches_of_caller, "The most of one caller.", 1, 1000000);
  config.Add("watch-progress", watching.progress, "A watch that was told nothing for as long is told how far it is.");
  config.Add("slow-reader", watching.slow_reader, "A watch whose reader takes nothing for as long is ended.");
  config.Add("watch-threads", watching.threads,
             "Threads that read for watches that are behind, each with a connection to the database.", 1, 64);
  if (auto exit_code = config.Parse(argc, argv)) return *exit_code;
  const auto signer = rpc::Signer::Make(secrets);
  if (!signer.ok()) {
    std::cerr << "parley-event: " << signer.status().message() << "\n";
    return 2;
  }
  const auto key = tlog::SigningKey::FromPem(log_key);
  if (!key.ok()) {
    std::cerr << "parley-event: " << key.status().message() << " (PARLEY_LOG_KEY)\n";
    return 2;
  }
  if (access(checkpoint_dir.c_str(), W_OK | X_OK) != 0) {
    std::cerr << "parley-event: --checkpoint-dir: cannot write into " << checkpoint_dir << "\n";
    return 2;
  }

  rpc::StartProcess("event", settings);
  // Three more than the threads that run calls and watches: for the sequencer and the eraser, and to see whether the
  // database is there while all threads work.
  data::Pool pool(database_url, workers + event::Watches::Connections(watching) + 3);
  data::Workers threads(workers, queue_capacity);
  rpc::CallQueue queue{*signer, threads, settings.default_deadline};
  rpc::Limiter views(absl::Minutes(1) / views_per_minute, views_per_minute);
  const event::CallerCheck caller_check(*signer, token_address);
  event::Watches watches(watching, pool, queue, caller_check);
  const event::Context context{pool, *signer, views, limits, [&watches](const Uuid& id) { watches.Wrote(id); }};
  event::EventServer event_server(context, queue, watches);
  event::LogServer log_server(context, queue);
  const event::CheckpointFile checkpoint_file(checkpoint_dir);
  event::Sequencer sequencer(pool, *key, checkpoint_file);
  event::Eraser eraser(pool);
  auto ready = [&] {
    absl::Status status = data::CheckSchema(pool, absl::Now() + absl::Seconds(5));
    if (!status.ok()) return status;
    sequencer.Start();
    eraser.Start();
    watches.Start();
    return status;
  };
  return rpc::Serve(settings, {.names = {std::string(event::v1::EventService::service_full_name()),
                                         std::string(event::v1::LogService::service_full_name())},
                               .services = {&event_server, &log_server},
                               .generic = nullptr,
                               .ready = ready,
                               .drain = [&watches](absl::Time) { watches.Drain(); }});
}
