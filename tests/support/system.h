// Parley as it runs: the real programs on free ports, with a temporary folder for their sockets and logs, and clients
// that call them. What was started ends with the test program at the latest. For the main thread alone.
//
//   TestDatabase database;
//   System system({.database_url = database.service_url()});
//   system.Start();
//   Client member = system.As(system.MakeMember("member@example.com"));
//   auto event = member.Call(&EventService::Stub::CreateEvent, request);  // absl::StatusOr<Event>
#pragma once

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/support/process.h"

namespace parley::test {

// A call's status with its details as payloads, as common/status makes them.
absl::Status StatusOf(const grpc::Status& status);

// The detail of this type; nothing where the status has none.
template <class Detail>
std::optional<Detail> DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload("type.googleapis.com/" + Detail::descriptor()->full_name());
  Detail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}
// What the error's ErrorInfo says under this key; empty where it says nothing.
std::string InfoOf(const absl::Status& status, const std::string& key);

using Metadata = std::multimap<std::string, std::string>;

// Makes calls with one credential. Each thread needs one of its own.
class Client {
 public:
  Client(std::shared_ptr<grpc::Channel> channel, const std::string& key, Metadata metadata = {});

  template <class Stub, class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const std::type_identity_t<Request>& request) {
    grpc::ClientContext context;
    Prepare(context);
    Response response;
    const absl::Status status = StatusOf((Stub(channel_).*method)(&context, request, &response));
    metadata_ = MetadataOf(context);
    if (!status.ok()) return status;
    return response;
  }
  // A call of any method, with an empty request.
  absl::Status CallPath(const std::string& path);

  // For streams, which tests/support/stream.h opens.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const Metadata& sent() const { return sent_; }

  // The initial metadata of the last answer.
  const Metadata& metadata() const { return metadata_; }
  // `parley-call-id` of the last answer; empty where it is not there exactly once.
  std::string call_id() const;

 private:
  void Prepare(grpc::ClientContext& context) const;
  static Metadata MetadataOf(const grpc::ClientContext& context);

  std::shared_ptr<grpc::Channel> channel_;
  Metadata sent_;
  Metadata metadata_;
};

struct SystemSettings {
  std::string database_url;
  // Settings by process and flag, beside or in place of the usual ones: {"gateway", {{"burst", "3"}}}.
  std::map<std::string, std::map<std::string, std::string>> flags = {};
};

// A port of 127.0.0.1 that is free now. The next that asks gets another one.
int FreePort();

// The processes are called `token`, `event`, `notification`, `gateway` and `mailbox`. A further replica has a number
// (`event2`), its own `listen` among the flags, and otherwise those of its kind; Start starts none.
class System {
 public:
  explicit System(SystemSettings settings);

  // Starts all and waits until they serve; ends the test program where they do not.
  void Start();
  // Starts one, and waits for it or not.
  void Start(const std::string& process);
  void Launch(const std::string& process);
  // SIGTERM; answers with the exit code.
  int Stop(const std::string& process);
  // SIGKILL.
  void Kill(const std::string& process);
  Process& process(const std::string& name) { return *processes_.at(name); }

  // What health says: of the whole process, or of a service of its.
  bool Serves(const std::string& process, const std::string& service = "") const;

  // What its flag `listen` says; else the gateway's: 127.0.0.1:port. The others': unix:/path.
  std::string address(const std::string& process) const;
  // Where the gateway serves HTTP: 127.0.0.1:port.
  std::string http_address() const;
  Environment environment(const std::string& process) const;
  // Where the event service keeps its last checkpoints.
  std::string checkpoint_folder() const { return folder_.path() + "/checkpoints"; }
  const std::string& secrets() const { return secrets_; }

  // Each time a channel of its own. Without a key there is no credential.
  std::shared_ptr<grpc::Channel> Channel(const std::string& process = "gateway") const;
  Client As(const std::string& key, Metadata metadata = {});
  // The key of the first staff user, made by parleyctl when it is first asked for.
  const std::string& staff_key();
  const std::string& staff_address() const { return staff_address_; }
  // Registers a user; answers with a key.
  std::string MakeMember(const std::string& address);

  // Where the mail server keeps mails, and where they go with transport=file.
  std::string mail_folder() const { return folder_.path() + "/mail"; }
  // Mails that have arrived for the address at the mail server, oldest first, their lines as before encoding.
  std::vector<std::string> Mails(const std::string& address) const;
  // The files in which they are.
  std::vector<std::string> MailFiles(const std::string& address) const;

  // The lines of a process's log that are there now.
  std::vector<nlohmann::json> Log(const std::string& process) const;
  // The line of a call: null where it is not there.
  nlohmann::json CallLine(const std::string& process, const std::string& call_id) const;
  // Ends all by SIGTERM, and tells what is not as it should be: an exit code, a line of a log that is not what
  // common/log/log.h says, a key or an address in what a process wrote. `addresses` are to be added to those that were
  // told to this object; keys are known by the clients that used them, and by the mails.
  std::vector<std::string> End(std::set<std::string> addresses);

 private:
  std::vector<std::string> Command(const std::string& process);
  void AwaitServing(const std::string& process);
  std::set<std::string> MailedKeys() const;

  const SystemSettings settings_;
  const TemporaryFolder folder_;
  const std::string secrets_;
  const std::string log_key_;
  const std::string staff_address_ = "Staff.Canary@staff.example";
  std::string staff_key_;
  int gateway_port_ = 0;
  int http_port_ = 0;
  std::map<std::string, std::unique_ptr<Process>> processes_;
  std::set<std::string> keys_;
  std::set<std::string> addresses_;
};

}  // namespace parley::test
