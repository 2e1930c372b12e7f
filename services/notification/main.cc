// parley-notification: tells parties by mail and programs by webhooks, and knows who has been told.

#include <curl/curl.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/config/config.h"
#include "common/data/purge.h"
#include "common/data/schema.h"
#include "common/rpc/server.h"
#include "common/status/status.h"
#include "services/notification/dispatcher.h"
#include "services/notification/notification_server.h"
#include "services/notification/transport/file_transport.h"
#include "services/notification/transport/smtp_transport.h"
#include "services/notification/webhooks/webhook_dispatcher.h"
#include "services/notification/webhooks/webhook_follower.h"
#include "services/notification/webhooks/webhook_server.h"

namespace parley::notification {
namespace {

constexpr absl::Duration kSchemaTimeout = absl::Seconds(2);
// What of the lease is left for making keys, revoking them and recording.
constexpr absl::Duration kLeaseMargin = absl::Seconds(2);
// The database reckons with it.
constexpr absl::Duration kMaxTime = absl::Hours(24 * 3650);
// Attempts of a day count towards its mails; the rest is for the clocks.
constexpr absl::Duration kLeastAttemptsKeep = absl::Hours(48);

// Whether it is http or https, a host, perhaps a port, and nothing more: links are made of it, and a header.
bool IsOrigin(const std::string& url) {
  constexpr size_t kMaxBytes = 255;
  if (url.size() > kMaxBytes) return false;
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), &curl_url_cleanup);
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) return false;
  const auto part_of = [&parsed](CURLUPart part) {
    char* value = nullptr;
    std::string part_value = curl_url_get(parsed.get(), part, &value, 0) == CURLUE_OK ? value : "";
    curl_free(value);
    return part_value;
  };
  const std::string scheme = part_of(CURLUPART_SCHEME), host = part_of(CURLUPART_HOST), port = part_of(CURLUPART_PORT);
  const std::string origin = absl::StrCat(scheme, "://", host, port.empty() ? "" : ":", port);
  const bool plain = std::ranges::all_of(url, [](unsigned char c) { return absl::ascii_isgraph(c); });
  return (scheme == "https" || scheme == "http") && plain && (url == origin || url == origin + "/");
}

struct Settings {
  rpc::ServerSettings server;
  DispatcherSettings dispatcher;
  SmtpSettings smtp;
  WebhookDispatcherSettings webhooks;
  std::string database_url;
  std::string principal_secrets;
  std::string suppression_secret;
  std::string webhook_secret;
  std::string token_address;
  std::string event_address;
  std::string mail_from;
  std::string transport = "smtp";
  std::string mail_directory;
  absl::Duration attempts_keep = absl::Hours(90 * 24);
  absl::Duration webhook_keep = absl::Hours(30 * 24);
  int workers = 4;
  int queue_capacity = 1024;
  int max_webhooks = 50;
  Limits limits;

  void AddTo(Config& config) {
    server.AddTo(config);
    config.AddSecret("database-url", database_url, "The database, as libpq takes it.");
    config.AddSecret("principal-secrets", principal_secrets,
                     "The secrets by which Parley's processes know each other.");
    config.AddSecret(
        "suppression-secret", suppression_secret,
        "The secret by which addresses are known that are sent nothing, at least 32 characters: the same for "
        "ever, since with another one those who unsubscribed are mailed again.");
    config.Add("workers", workers, "Threads that run calls, each with a connection to the database.", 1, 64);
    config.Add("queue-capacity", queue_capacity, "Calls that may wait; more are refused.", 1, 1000000);
    config.Add("max-slots", limits.max_slots, "The number of slots that an event may have.", 1, 1000);
    config.Add("max-parties", limits.max_parties, "The number of parties that an event may have.", 1, 1000);
    config.Add("max-daily-notifications", limits.max_daily_notifications,
               "How often a recipient may be notified of one event within 24 hours.", 1, 1000000);
    config.Add("max-daily-recipients", limits.max_daily_recipients,
               "How many recipients a sender may notify within 24 hours.", 1, 1000000);
    config.Add("token-address", token_address,
               "The token service: unix:/path, host:port, or dns:///name:port with several replicas.");
    config.Required();
    config.Add("event-address", event_address, "The event service, as token-address.");
    config.Required();
    AddDelivery(config);
    AddMail(config);
    AddWebhooks(config);
  }

  void AddDelivery(Config& config) {
    config.Add("senders", dispatcher.senders, "Threads that send mail, each with a connection to the mail server.", 1,
               256);
    config.Add(
        "lease", dispatcher.claim.lease,
        "When an attempt counts as lost and another one is made; at least two seconds longer than send-timeout.");
    config.Add("send-timeout", dispatcher.send_timeout, "The time that the mail server has for one mail.");
    config.Add("smtp-connect-timeout", smtp.connect_timeout,
               "Of that, the time until the mail server has greeted and let us in.");
    config.Add("smtp-reply-timeout", smtp.reply_timeout, "Of that, the time for each of its replies.");
    config.Add("retry-pause", dispatcher.retry_pause,
               "The pause after the first attempt; doubled by each further one, up to an hour.");
    config.Add("retry-for", dispatcher.claim.retry_for, "The time after which a notification has failed.");
    config.Add("mails-per-second", dispatcher.mails_per_second, "How many mails this process sends a second.", 1,
               1000000);
    config.Add("max-daily-mails", dispatcher.claim.max_daily_mails,
               "How many mails one recipient is sent within 24 hours; more wait.", 1, 1000000);
    config.Add("attempts-keep", attempts_keep,
               "How long attempts to send mails can be read, at least two days; notifications are kept for ever.");
  }

  void AddMail(Config& config) {
    config.Add("mail-from", mail_from, "The address in whose name mails are sent.");
    config.Required();
    config.Add("public-address", dispatcher.public_address,
               "Where links in mails lead: https://host[:port]; empty: mails have the key itself.");
    config.Add("transport", transport, "How mails go out: to a mail server, or into files.", {"smtp", "file"});
    config.Add("smtp-url", smtp.url, "The mail server: smtp://host:port, or smtps://host:port for TLS from the start.");
    config.Add("smtp-starttls", smtp.starttls, "With smtp://, whether TLS is begun, without which nothing is sent.");
    config.Add("smtp-verify-certificate", smtp.verify_certificate, "Whether the mail server's certificate is checked.");
    config.Add("smtp-ca-file", smtp.ca_file, "Whose certificates are trusted, in PEM; empty: those of the system.");
    config.Add("smtp-username", smtp.username, "The login at the mail server, over TLS alone; empty: none.");
    config.AddSecret("smtp-password", smtp.password, "The password at the mail server.", false);
    config.Add("mail-directory", mail_directory, "The folder for transport=file: one .eml file for each mail.");
  }

  void AddWebhooks(Config& config) {
    config.AddSecret("webhook-secret", webhook_secret,
                     "The secret of which those of webhooks are made, at least 32 characters: the same for ever, since "
                     "with another one receivers refuse what they are sent.");
    config.Add("max-webhooks", max_webhooks, "How many webhooks there may be.", 1, 1000);
    config.Add("webhook-timeout", webhooks.posts.timeout, "The time that a webhook's receiver has for one request.");
    config.Add("webhook-retry-pause", webhooks.retry_pause,
               "The pause after the first attempt; doubled by each further one, up to an hour.");
    config.Add("webhook-retry-for", webhooks.retry_for, "The time after which a webhook's delivery has failed.");
    config.Add("webhook-keep", webhook_keep,
               "How long a webhook's deliveries are kept after they were delivered or have failed.");
    config.Add("webhook-ca-file", webhooks.posts.ca_file,
               "Whose certificates webhooks' receivers may have, in PEM; empty: those of the system.");
    config.Add("webhook-private-targets", webhooks.posts.private_targets,
               "Whether webhooks may lead to addresses that are not public: loopback, private, link-local.");
  }

  // What is wrong with settings that are right one by one; empty where nothing is. Takes over what was parsed.
  std::string Check() {
    const auto address = ParseAddress(mail_from);
    if (!address.ok()) return absl::StrCat("--mail-from: ", address.status().message());
    dispatcher.mail_from = *address;
    smtp.timeout = dispatcher.send_timeout;
    if (dispatcher.claim.lease < dispatcher.send_timeout + kLeaseMargin) {
      return absl::StrCat("--lease must be at least two seconds longer than --send-timeout: ",
                          absl::FormatDuration(dispatcher.send_timeout + kLeaseMargin));
    }
    if (!dispatcher.public_address.empty() && !IsOrigin(dispatcher.public_address)) {
      return "--public-address must be https://host or https://host:port (or http://), with an IDNA host as xn--...";
    }
    if (std::max({webhooks.posts.timeout, webhooks.retry_pause, webhooks.retry_for, webhook_keep}) > kMaxTime) {
      return "--webhook-timeout, --webhook-retry-pause, --webhook-retry-for and --webhook-keep must be at most ten "
             "years";
    }
    if (attempts_keep < kLeastAttemptsKeep || attempts_keep > kMaxTime) {
      return "--attempts-keep must be at least two days, and at most ten years";
    }
    if (!webhooks.posts.ca_file.empty() && !std::filesystem::is_regular_file(webhooks.posts.ca_file)) {
      return "--webhook-ca-file must be a file";
    }
    return transport == "smtp" ? CheckSmtp() : CheckDirectory();
  }

  std::string CheckSmtp() const {
    const std::string violation = SmtpUrlViolation(smtp.url);
    if (!violation.empty()) return "--smtp-url " + violation;
    if (!smtp.username.empty() && !smtp.url.starts_with("smtps://") && !smtp.starttls) {
      return "--smtp-username needs TLS: --smtp-starttls true, or smtps:// in --smtp-url";
    }
    if (!smtp.username.empty() && smtp.password.empty()) {
      return "--smtp-username needs a password: PARLEY_SMTP_PASSWORD, or PARLEY_SMTP_PASSWORD_FILE";
    }
    if (!smtp.ca_file.empty() && !std::filesystem::is_regular_file(smtp.ca_file)) {
      return "--smtp-ca-file must be a file";
    }
    return "";
  }

  std::string CheckDirectory() const {
    return std::filesystem::is_directory(mail_directory) ? "" : "--mail-directory must be a folder";
  }

  // What is kept for a time only.
  std::vector<data::PurgeStep> PurgeSteps() const {
    using data::Transaction;
    return {{"delivery attempts",
             [keep = attempts_keep](Transaction& tx, absl::Time from) { return Deliveries(tx).Purge(keep, from); }},
            {"webhook deliveries",
             [keep = webhook_keep](Transaction& tx, absl::Time from) {
               return WebhookDeliveries(tx).PurgeSettled(keep, from);
             }},
            {"deliveries of deleted webhooks",
             [](Transaction& tx, absl::Time) { return WebhookDeliveries(tx).PurgeDeleted(); }}};
  }

  std::unique_ptr<Transport> MakeTransport() const {
    if (transport == "file") return std::make_unique<FileTransport>(mail_directory);
    return std::make_unique<SmtpTransport>(smtp);
  }
};

int Main(int argc, char** argv) {
  Settings settings;
  Config config("parley-notification",
                "Tells the parties of an event by mail and programs by webhooks, and knows who has been told.");
  settings.AddTo(config);
  if (const auto exit_code = config.Parse(argc, argv)) return *exit_code;
  const auto signer = rpc::Signer::Make(settings.principal_secrets);
  const auto suppression_key = SuppressionKey::Make(settings.suppression_secret);
  const auto webhook_key = WebhookKey::Make(settings.webhook_secret);
  const std::string problem = !signer.ok()            ? std::string(signer.status().message())
                              : !suppression_key.ok() ? std::string(suppression_key.status().message())
                              : !webhook_key.ok()     ? std::string(webhook_key.status().message())
                                                      : settings.Check();
  if (!problem.empty()) {
    std::cerr << "parley-notification: " << problem << "\nTry --help.\n";
    return 2;
  }

  rpc::StartProcess("notification", settings.server);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  // Two connections more: for the follower, and for the question whether all is well.
  data::Pool pool(settings.database_url, settings.workers + Dispatcher::kConnections + WebhookDispatcher::kConnections +
                                             data::Purge::kConnections + 2);
  TokenClient tokens(*signer, settings.token_address);
  EventClient events(*signer, settings.event_address);
  Dispatcher dispatcher(settings.dispatcher, pool, *signer, *suppression_key, tokens,
                        [&settings] { return settings.MakeTransport(); });
  WebhookDispatcher webhook_dispatcher(settings.webhooks, pool, *webhook_key, events);
  WebhookFollower webhook_follower(pool, [&webhook_dispatcher] { webhook_dispatcher.Wake(); });
  data::Purge purge(pool, data::PurgeTurn::kNotification, settings.PurgeSteps());
  const Context context{pool, *signer, *suppression_key, settings.limits, [&dispatcher] { dispatcher.Wake(); }};
  const WebhookContext webhook_context{pool, *signer, *webhook_key, settings.max_webhooks};
  data::Workers workers(settings.workers, settings.queue_capacity);
  rpc::CallQueue queue{*signer, workers, settings.server.default_deadline};
  NotificationServer server(context, queue);
  WebhookServer webhook_server(webhook_context, queue);
  auto ready = [&]() -> absl::Status {
    PARLEY_RETURN_IF_ERROR(data::CheckSchema(pool, absl::Now() + kSchemaTimeout));
    PARLEY_RETURN_IF_ERROR(data::Transact(pool, absl::Now() + kSchemaTimeout, [&](data::Transaction& tx) {
      return Suppressions(tx).CheckKey(*suppression_key);
    }));
    dispatcher.Start();
    webhook_dispatcher.Start();
    webhook_follower.Start();
    purge.Start();
    return absl::OkStatus();
  };
  // Mails and webhooks have the same time to end what is at work. Webhooks end while calls do, so that what a database
  // that hangs makes them wait is over by then.
  std::thread webhooks;
  auto drain = [&](absl::Time deadline) {
    purge.EndSoon();
    webhooks = std::thread([&, deadline] {
      std::thread follower([&] { webhook_follower.Stop(); });
      webhook_dispatcher.Stop(deadline);
      follower.join();
    });
  };
  auto stop = [&](absl::Time deadline) {
    dispatcher.Stop(deadline);
    webhooks.join();
  };
  return rpc::Serve(settings.server,
                    {.names = {v1::NotificationService::service_full_name(), v1::WebhookService::service_full_name()},
                     .services = {&server, &webhook_server},
                     .ready = ready,
                     .drain = drain,
                     .stop = stop});
}

}  // namespace
}  // namespace parley::notification

int main(int argc, char** argv) { return parley::notification::Main(argc, argv); }
