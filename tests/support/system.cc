#include "tests/support/system.h"

#include <grpcpp/generic/generic_stub.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <regex>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "common/rpc/channel.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "parley/token/v1/token_service.grpc.pb.h"
#include "tests/support/log_key.h"
#include "tests/support/mail_server.h"

namespace parley::test {
namespace {

constexpr char kSuppressionSecret[] = "a secret by which suppressed addresses are known";
constexpr char kWebhookSecret[] = "a secret of which those of webhooks are made";

// A mail as it was sent, but for the line breaks of quoted-printable (RFC 2045, 6.7).
std::string MailIn(const std::filesystem::path& file) { return absl::StrReplaceAll(Content(file), {{"=\r\n", ""}}); }

// What common/log/log.h promises of a line; empty where it holds.
std::string BadLine(const std::string& service, const std::string& text) {
  const auto line = nlohmann::json::parse(text, nullptr, false);
  if (!line.is_object()) return "is no JSON object";
  for (const char* field : {"time", "level", "service", "message"}) {
    if (!line.contains(field) || !line[field].is_string() || line[field].get<std::string>().empty()) {
      return absl::StrCat("has no ", field);
    }
  }
  if (line["service"] != service) return "is of another service";
  if (line["message"] != "call") return "";
  for (const char* field : {"call_id", "method", "code"}) {
    if (!line.contains(field) || !line[field].is_string()) return absl::StrCat("has no ", field);
  }
  if (!line.contains("duration_us") || !line["duration_us"].is_number_integer()) return "has no duration_us";
  return "";
}

std::vector<std::string> LinesOf(const std::string& text) { return absl::StrSplit(text, '\n', absl::SkipEmpty()); }

// `event` of `event2`.
std::string KindOf(const std::string& process) { return process.substr(0, process.find_last_not_of("0123456789") + 1); }

}  // namespace

int FreePort() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Die("there is no free port");
  }
  close(listener);
  return ntohs(address.sin_port);
}

absl::Status StatusOf(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status proto;
  if (proto.ParseFromString(status.error_details())) {
    for (const auto& detail : proto.details()) result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return result;
}

std::string InfoOf(const absl::Status& status, const std::string& key) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  if (!info) return "";
  const auto found = info->metadata().find(key);
  return found == info->metadata().end() ? "" : found->second;
}

Client::Client(std::shared_ptr<grpc::Channel> channel, const std::string& key, Metadata metadata)
    : channel_(std::move(channel)), sent_(std::move(metadata)) {
  if (!key.empty()) sent_.emplace("authorization", "Bearer " + key);
}

void Client::Prepare(grpc::ClientContext& context) const {
  for (const auto& [key, value] : sent_) context.AddMetadata(key, value);
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
}

Metadata Client::MetadataOf(const grpc::ClientContext& context) {
  Metadata metadata;
  for (const auto& [key, value] : context.GetServerInitialMetadata()) {
    metadata.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
  }
  return metadata;
}

absl::Status Client::CallPath(const std::string& path) {
  grpc::ClientContext context;
  Prepare(context);
  const grpc::ByteBuffer request(nullptr, 0);
  grpc::ByteBuffer response;
  grpc::Status status;
  absl::Notification done;
  grpc::GenericStub(channel_).UnaryCall(&context, path, {}, &request, &response, [&](const grpc::Status& answer) {
    status = answer;
    done.Notify();
  });
  done.WaitForNotification();
  metadata_ = MetadataOf(context);
  return StatusOf(status);
}

std::string Client::call_id() const {
  return metadata_.count("parley-call-id") == 1 ? metadata_.find("parley-call-id")->second : "";
}

System::System(SystemSettings settings)
    : settings_(std::move(settings)),
      secrets_("a secret that only the processes of this test share"),
      log_key_(MakeLogKey()) {
  std::filesystem::create_directory(mail_folder());
  std::filesystem::create_directory(checkpoint_folder());
  // While it makes no call a client of gRPC looks at its connection only this often, and keeps a server that is
  // stopping waiting that long. gRPC reads it once, before the first channel.
  setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "50", 1);
}

std::string System::address(const std::string& process) const {
  if (const auto flags = settings_.flags.find(process); flags != settings_.flags.end()) {
    if (const auto listen = flags->second.find("listen"); listen != flags->second.end()) return listen->second;
  }
  return process == "gateway" ? absl::StrCat("127.0.0.1:", gateway_port_)
                              : absl::StrCat("unix:", folder_.path(), "/", process, ".sock");
}

std::string System::http_address() const { return absl::StrCat("127.0.0.1:", http_port_); }

Environment System::environment(const std::string& process) const {
  const std::string kind = KindOf(process);
  Environment environment{{"PARLEY_PRINCIPAL_SECRETS", secrets_}};
  if (kind == "notification") {
    environment["PARLEY_SUPPRESSION_SECRET"] = kSuppressionSecret;
    environment["PARLEY_WEBHOOK_SECRET"] = kWebhookSecret;
  }
  if (kind == "event") environment["PARLEY_LOG_KEY"] = log_key_;
  // The gateway has no database.
  if (kind != "gateway") environment["PARLEY_DATABASE_URL"] = settings_.database_url;
  return environment;
}

std::vector<std::string> System::Command(const std::string& process) {
  if (process == "mailbox") return MailServerCommand(mail_folder(), folder_.path() + "/mailbox.port");
  const std::string kind = KindOf(process);
  std::map<std::string, std::string> flags{{"listen", address(process)}, {"reflection", "true"}};
  if (kind == "event") {
    flags["checkpoint-dir"] = checkpoint_folder();
    flags["token-address"] = address("token");
  }
  if (kind == "notification") {
    flags["token-address"] = address("token");
    flags["event-address"] = address("event");
    flags["mail-directory"] = mail_folder();
    flags["mail-from"] = "parley@example.com";
    flags["public-address"] = "https://parley.example";
    flags["smtp-starttls"] = "false";
    flags["smtp-url"] = absl::StrCat("smtp://127.0.0.1:", std::atoi(Content(folder_.path() + "/mailbox.port").c_str()));
  } else if (kind == "gateway") {
    flags["token-address"] = address("token");
    std::vector<std::string> routes;
    for (const char* service : {"event", "notification", "token"}) {
      routes.push_back(absl::StrCat("parley.", service, ".=", address(service)));
    }
    flags["routes"] = absl::StrJoin(routes, ",");
    // Of a second gateway the settings say where.
    if (process == "gateway") flags["http-listen"] = http_address();
  }
  for (const std::string& of : {kind, process}) {
    const auto other = settings_.flags.find(of);
    if (other == settings_.flags.end()) continue;
    for (const auto& [flag, value] : other->second) flags[flag] = value;
  }
  std::vector<std::string> command{absl::StrCat(Given("PARLEY_TEST_BIN"), "/parley-", kind)};
  for (const auto& [flag, value] : flags) command.push_back(absl::StrCat("--", flag, "=", value));
  return command;
}

void System::Launch(const std::string& process) {
  if (process == "gateway" && gateway_port_ == 0) {
    gateway_port_ = FreePort();
    http_port_ = FreePort();
  }
  const std::string log = absl::StrCat(folder_.path(), "/", process);
  processes_[process] = std::make_unique<Process>(Command(process), environment(process), log + ".log", log + ".err");
}

void System::AwaitServing(const std::string& process) {
  const bool serves = Eventually([&] {
    if (process != "mailbox") return Serves(process) || !processes_.at(process)->Running();
    return std::filesystem::exists(folder_.path() + "/mailbox.port");
  });
  if (serves && processes_.at(process)->Running()) return;
  const std::string log = absl::StrCat(folder_.path(), "/", process);
  Die(absl::StrCat(process, " does not serve: ", Content(log + ".log"), Content(log + ".err")));
}

void System::Start(const std::string& process) {
  Launch(process);
  AwaitServing(process);
}

void System::Start() {
  // Each asks for those behind it once a second: these are there first.
  for (const char* process : {"mailbox", "token", "event"}) Launch(process);
  AwaitServing("mailbox");
  Launch("notification");
  for (const char* process : {"token", "event", "notification"}) AwaitServing(process);
  Launch("gateway");
  // Another program may have taken the port meanwhile.
  Eventually([this] {
    if (processes_.at("gateway")->Running()) return Serves("gateway");
    gateway_port_ = 0;
    Launch("gateway");
    return false;
  });
  AwaitServing("gateway");
}

int System::Stop(const std::string& process) {
  processes_.at(process)->Signal(SIGTERM);
  return processes_.at(process)->Wait();
}

void System::Kill(const std::string& process) {
  processes_.at(process)->Signal(SIGKILL);
  processes_.at(process)->Wait();
}

bool System::Serves(const std::string& process, const std::string& service) const {
  using grpc::health::v1::HealthCheckRequest;
  using grpc::health::v1::HealthCheckResponse;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  const auto stub = grpc::health::v1::Health::NewStub(Channel(process));
  return stub->Check(&context, request, &response).ok() && response.status() == HealthCheckResponse::SERVING;
}

std::shared_ptr<grpc::Channel> System::Channel(const std::string& process) const {
  return rpc::MakeChannel(address(process));
}

Client System::As(const std::string& key, Metadata metadata) {
  if (!key.empty()) keys_.insert(key);
  return {Channel(), key, std::move(metadata)};
}

const std::string& System::staff_key() {
  if (!staff_key_.empty()) return staff_key_;
  const Output made =
      Run({Given("PARLEY_TEST_BIN") + "/parleyctl", "create-staff", staff_address_}, environment("parleyctl"));
  if (made.exit_code != 0) Die("parleyctl create-staff: " + made.err);
  staff_key_ = std::string(absl::StripAsciiWhitespace(made.out));
  addresses_.insert(staff_address_);
  return staff_key_;
}

std::string System::MakeMember(const std::string& address) {
  using Service = token::v1::TokenService;
  addresses_.insert(address);
  Client staff = As(staff_key());
  token::v1::CreateUserRequest create;
  create.mutable_user()->set_address(address);
  const auto user = staff.Call(&Service::Stub::CreateUser, create);
  if (!user.ok()) Die(absl::StrCat("CreateUser: ", user.status().ToString()));
  token::v1::CreateApiKeyRequest create_key;
  create_key.set_parent(user->name());
  const auto key = staff.Call(&Service::Stub::CreateApiKey, create_key);
  if (!key.ok()) Die(absl::StrCat("CreateApiKey: ", key.status().ToString()));
  return key->key();
}

std::vector<std::string> System::MailFiles(const std::string& address) const {
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(mail_folder())) {
    if (entry.path().extension() != ".eml") continue;
    const std::string mail = MailIn(entry.path());
    if (mail.find(absl::StrCat("X-RcptTo: ", address, "\r\n")) != std::string::npos) files.insert(entry.path());
  }
  return {files.begin(), files.end()};
}

std::vector<std::string> System::Mails(const std::string& address) const {
  std::vector<std::string> mails;
  for (const std::string& file : MailFiles(address)) mails.push_back(MailIn(file));
  return mails;
}

std::set<std::string> System::MailedKeys() const {
  static const std::regex key("parley_(guest|unsubscribe)_[0-9a-f]+");
  std::set<std::string> keys;
  for (const auto& entry : std::filesystem::directory_iterator(mail_folder())) {
    const std::string mail = MailIn(entry.path());
    for (std::sregex_iterator found(mail.begin(), mail.end(), key), end; found != end; ++found) {
      keys.insert(found->str());
    }
  }
  return keys;
}

std::vector<nlohmann::json> System::Log(const std::string& process) const {
  std::vector<nlohmann::json> lines;
  for (const std::string& text : LinesOf(Content(absl::StrCat(folder_.path(), "/", process, ".log")))) {
    // The last one may be half written, and one of a process that was killed stays so.
    auto line = nlohmann::json::parse(text, nullptr, false);
    if (line.is_object()) lines.push_back(std::move(line));
  }
  return lines;
}

nlohmann::json System::CallLine(const std::string& process, const std::string& call_id) const {
  const auto lines = Log(process);
  const auto found = std::ranges::find_if(
      lines, [&](const auto& line) { return line["message"] == "call" && line["call_id"] == call_id; });
  return found == lines.end() ? nlohmann::json() : *found;
}

std::vector<std::string> System::End(std::set<std::string> addresses) {
  std::vector<std::string> problems;
  // The door first, so that nobody knocks at what has gone.
  for (const char* kind : {"gateway", "notification", "event", "token", "mailbox"}) {
    for (const auto& [name, process] : processes_) {
      if (KindOf(name) != kind || !process->Running()) continue;
      const int exit_code = Stop(name);
      if (exit_code != 0) problems.push_back(absl::StrCat(name, " ends with exit code ", exit_code));
    }
  }
  std::set<std::string> secrets = MailedKeys();
  secrets.insert(keys_.begin(), keys_.end());
  secrets.insert(secrets_);
  secrets.insert(LinesOf(log_key_).at(1));
  secrets.insert(kSuppressionSecret);
  secrets.insert(kWebhookSecret);
  addresses.insert(addresses_.begin(), addresses_.end());
  for (const std::string& address : addresses) secrets.insert(absl::AsciiStrToLower(address));
  for (const auto& [name, process] : processes_) {
    if (name == "mailbox") continue;
    for (const char* kind : {".log", ".err"}) {
      for (const std::string& line : LinesOf(Content(absl::StrCat(folder_.path(), "/", name, kind)))) {
        const std::string bad = std::string_view(kind) == ".log" ? BadLine(KindOf(name), line) : "";
        if (!bad.empty()) problems.push_back(absl::StrCat("a line of ", name, " ", bad, ": ", line));
        const std::string lower = absl::AsciiStrToLower(line);
        for (const std::string& secret : secrets) {
          if (lower.find(secret) != std::string::npos) {
            problems.push_back(absl::StrCat("a line of ", name, " tells ", secret, ": ", line));
          }
        }
      }
    }
  }
  return problems;
}

}  // namespace parley::test
