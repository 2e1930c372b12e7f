// parley-notification: tells parties by mail, and knows who has been told.

#include <curl/curl.h>

#include <filesystem>
#include <iostream>

#include "absl/time/clock.h"
#include "common/config/config.h"
#include "common/data/schema.h"
#include "common/rpc/server.h"
#include "services/notification/dispatcher.h"
#include "services/notification/file_transport.h"
#include "services/notification/notification_server.h"
#include "services/notification/smtp_transport.h"

namespace parley::notification {
namespace {

constexpr absl::Duration kSchemaTimeout = absl::Seconds(2);

struct Settings {
  rpc::ServerSettings server;
  DispatcherSettings dispatcher;
  SmtpSettings smtp;
  std::string database_url;
  std::string principal_secrets;
  std::string token_address;
  std::string mail_from;
  std::string transport = "smtp";
  std::string mail_directory;
  int workers = 4;
  int queue_capacity = 1024;
  Limits limits;

  void AddTo(Config& config) {
    server.AddTo(config);
    config.AddSecret("database-url", database_url, "The database, as libpq takes it.");
    config.AddSecret("principal-secrets", principal_secrets,
                     "The secrets by which Parley's processes know each other.");
    config.Add("workers", workers, "Threads that run calls, each with a connection to the database.", 1, 64);
    config.Add("queue-capacity", queue_capacity, "Calls that may wait; more are refused.", 1, 1000000);
    config.Add("max-slots", limits.max_slots, "The number of slots that an event may have.", 1, 1000);
    config.Add("max-parties", limits.max_parties, "The number of parties that an event may have.", 1, 1000);
    config.Add("max-daily-notifications", limits.max_daily_notifications,
               "How often a recipient may be notified of one event within 24 hours.", 1, 1000000);
    config.Add("max-daily-recipients", limits.max_daily_recipients,
               "How many recipients a sender may notify within 24 hours.", 1, 1000000);
    config.Add("token-address", token_address, "The token service: unix:/path or host:port.");
    config.Required();
    config.Add("dispatchers", dispatcher.threads, "Threads that send mail, each with a connection to the database.", 1,
               64);
    config.Add("lease", dispatcher.lease, "When an attempt counts as lost; longer than send-timeout.");
    config.Add("send-timeout", dispatcher.send_timeout, "The time that the mail server has for one mail.");
    config.Add("retry-pause", dispatcher.retry_pause,
               "The pause after the first attempt, doubled by each further one.");
    config.Add("max-attempts", dispatcher.max_attempts, "The attempts after which a notification has failed.", 1, 30);
    config.Add("mail-from", mail_from, "The address in whose name mails are sent.");
    config.Required();
    config.Add("public-address", dispatcher.public_address, "Where recipients of mails call Parley: host:port.");
    config.Add("transport", transport, "How mails go out: to a mail server, or into files.", {"smtp", "file"});
    config.Add("smtp-url", smtp.url, "The mail server: smtp://host:port or smtps://host:port.");
    config.Add("smtp-username", smtp.username,
               "The login at the mail server, which then must speak TLS; may be empty.");
    config.AddSecret("smtp-password", smtp.password, "The password at the mail server.", false);
    config.Add("mail-directory", mail_directory, "The folder for transport=file: one .eml file for each mail.");
  }

  // What is wrong with settings that are right one by one; empty where nothing is. Takes over what was parsed.
  std::string Check() {
    const auto address = ParseAddress(mail_from);
    if (!address.ok()) return absl::StrCat("--mail-from: ", address.status().message());
    dispatcher.mail_from = *address;
    smtp.timeout = dispatcher.send_timeout;
    if (dispatcher.lease <= dispatcher.send_timeout) return "--lease must be longer than --send-timeout";
    if (transport == "smtp" && !smtp.url.starts_with("smtp://") && !smtp.url.starts_with("smtps://")) {
      return "--smtp-url must be smtp://host:port or smtps://host:port";
    }
    if (transport == "file" && !std::filesystem::is_directory(mail_directory)) {
      return "--mail-directory must be a folder";
    }
    return "";
  }

  std::unique_ptr<Transport> MakeTransport() const {
    if (transport == "file") return std::make_unique<FileTransport>(mail_directory);
    return std::make_unique<SmtpTransport>(smtp);
  }
};

int Main(int argc, char** argv) {
  Settings settings;
  Config config("parley-notification", "Tells the parties of an event by mail, and knows who has been told.");
  settings.AddTo(config);
  if (const auto exit_code = config.Parse(argc, argv)) return *exit_code;
  const auto signer = rpc::Signer::Make(settings.principal_secrets);
  const std::string problem = signer.ok() ? settings.Check() : std::string(signer.status().message());
  if (!problem.empty()) {
    std::cerr << "parley-notification: " << problem << "\nTry --help.\n";
    return 2;
  }

  rpc::StartProcess("notification", settings.server);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  // One connection more, for the question whether all is well.
  data::Pool pool(settings.database_url, settings.workers + settings.dispatcher.threads + 1);
  TokenClient tokens(*signer, settings.token_address);
  Dispatcher dispatcher(settings.dispatcher, pool, *signer, tokens, [&settings] { return settings.MakeTransport(); });
  const Context context{pool, *signer, settings.limits, [&dispatcher] { dispatcher.Wake(); }};
  data::Workers workers(settings.workers, settings.queue_capacity);
  rpc::CallQueue queue{*signer, workers, settings.server.default_deadline};
  NotificationServer server(context, queue);
  auto ready = [&] {
    absl::Status status = data::CheckSchema(pool, absl::Now() + kSchemaTimeout);
    if (status.ok()) dispatcher.Start();
    return status;
  };
  return rpc::Serve(settings.server, {.names = {v1::NotificationService::service_full_name()},
                                      .services = {&server},
                                      .ready = ready,
                                      .stop = [&](absl::Time deadline) { dispatcher.Stop(deadline); }});
}

}  // namespace
}  // namespace parley::notification

int main(int argc, char** argv) { return parley::notification::Main(argc, argv); }
