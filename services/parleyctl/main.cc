// parleyctl: what an administrator does to a Parley that is not, or not yet, reached over the network.
#include <iostream>

#include "absl/strings/str_replace.h"
#include "common/config/config.h"
#include "common/data/schema.h"
#include "common/data/sql_status.h"
#include "services/parleyctl/commands.h"

namespace parley::ctl {
namespace {

// 2 where the fault is the command line's.
int Fail(const std::string& subcommand, const absl::Status& status) {
  // libpq's has several lines.
  const std::string story = absl::StrReplaceAll(data::StoryOf(status), {{"\n\t", " "}, {"\n", " "}});
  std::cerr << "parleyctl " << subcommand << ": " << status.message() << (story.empty() ? "" : ": " + story) << "\n";
  return status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
}

int Run(int argc, char** argv) {
  std::string owner_url, database_url, staff_address, server_address, event, export_file, older_file, verifier_key;
  int wait_seconds = 10;
  Config config("parleyctl", "Administers Parley.");
  config.Subcommand("migrate", "Brings the database to the schema of this version.");
  config.AddSecret("database-owner-url", owner_url, "The database, as libpq takes it; the login owns the tables.");
  config.Subcommand(
      "create-staff",
      "Makes a staff user, or makes a user staff, and prints a new API key for it: nothing else on standard "
      "output. The key is not kept and cannot be shown again.");
  config.AddArgument("ADDRESS", staff_address, "The e-mail address of the user.");
  config.AddSecret("database-url", database_url, "The database, as libpq takes it; the login is parley_service.");
  config.Subcommand("log replay",
                    "Replays the log of an event by the rules, a line a step, and compares the result with what is "
                    "stored. Exits with 1 where the log cannot be what happened, naming the entry.");
  config.AddArgument("EVENT", event, "events/{event}, or its id.");
  config.AddSecret("database-url", database_url, "The database, as libpq takes it; the login is parley_service.");
  config.Subcommand("log export",
                    "Writes all logs to standard output, a JSON object a line, so that others can verify them; or the "
                    "log of one event, with proofs that it is in the tree of all.");
  config.AddArgument("EVENT", event, "events/{event}, or its id; all logs without it.", false);
  config.Add("older", older_file,
             "With an EVENT: an older checkpoint or export, from which the tree is to be proved to have grown.");
  config.AddSecret("database-url", database_url, "The database, as libpq takes it; the login is parley_service.");
  config.Subcommand("log verify",
                    "Verifies the logs in the database, or an export of them. Exits with 1 where they are not what "
                    "they were, naming the first bad entry.");
  config.AddArgument("EXPORT", export_file, "A file that log export has written; the database without it.", false);
  config.Add("older", older_file,
             "An older checkpoint or export, to which nothing but new entries may have been added.");
  config.Add("verifier-key", verifier_key,
             "The verifier key, from a time when the log was trusted; that of the older export where it is not given.");
  config.AddSecret("database-url", database_url, "The database, where no EXPORT is given.", false);
  config.Subcommand("log new-origin",
                    "Begins a new log, with the entries that there are, under another name: after the database was "
                    "restored from a copy. Checkpoints from before are not of this log any more.");
  config.AddSecret("database-owner-url", owner_url, "The database, as libpq takes it; the login owns the tables.");
  config.Subcommand("health", "Waits until a process of Parley is ready to serve, even if it is not there yet.");
  config.AddArgument("ADDRESS", server_address, "Where it serves gRPC: unix:/path or host:port.");
  config.Add("wait", wait_seconds, "For how many seconds at the most.", 1, 86400);
  if (const auto exit_code = config.Parse(argc, argv)) return *exit_code;

  const std::string subcommand = config.subcommand();
  if (subcommand == "migrate") {
    const auto applied = data::Migrate(owner_url);
    if (!applied.ok()) return Fail(subcommand, applied.status());
    for (const std::string& name : *applied) std::cout << "applied " << name << "\n";
    if (applied->empty()) std::cout << "the schema is up to date (version " << data::SchemaVersion() << ")\n";
    return 0;
  }
  if (subcommand == "create-staff") {
    const auto key = CreateStaff(database_url, staff_address);
    if (!key.ok()) return Fail(subcommand, key.status());
    std::cout << *key << std::endl;
    std::cerr << staff_address << " is staff; standard output has a key, which is not shown again.\n";
    return 0;
  }
  if (subcommand == "log replay") {
    const auto lines = ReplayLog(database_url, event);
    if (!lines.ok()) return Fail(subcommand, lines.status());
    std::cout << *lines << std::flush;
    return 0;
  }
  if (subcommand == "log export") {
    const absl::Status exported = ExportLog(database_url, event, older_file, std::cout);
    return exported.ok() ? 0 : Fail(subcommand, exported);
  }
  if (subcommand == "log verify") {
    if (export_file.empty() && database_url.empty()) {
      return Fail(subcommand, absl::InvalidArgumentError("name an EXPORT, or set PARLEY_DATABASE_URL"));
    }
    const auto good = VerifyLog(database_url, export_file, older_file, verifier_key);
    if (!good.ok()) return Fail(subcommand, good.status());
    std::cout << *good << std::endl;
    return 0;
  }
  if (subcommand == "log new-origin") {
    const auto origin = NewOrigin(owner_url);
    if (!origin.ok()) return Fail(subcommand, origin.status());
    std::cout << "the log is " << *origin << " from now on\n";
    return 0;
  }
  const absl::Status serving = AwaitServing(server_address, absl::Seconds(wait_seconds));
  return serving.ok() ? 0 : Fail(subcommand, serving);
}

}  // namespace
}  // namespace parley::ctl

int main(int argc, char** argv) { return parley::ctl::Run(argc, argv); }
