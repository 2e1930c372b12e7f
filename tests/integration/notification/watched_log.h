// For tests of webhooks: the log with entries that a test appends, and the event service, which tells of each
// (WatchEvent over gRPC). And the WebhookService's handlers on it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/data/log_cursor.h"
#include "common/data/log_entries.h"
#include "common/data/log_tree.h"
#include "common/rpc/grpc_status.h"
#include "common/rpc/principal.h"
#include "common/status/status.h"
#include "parley/event/v1/event_service.grpc.pb.h"
#include "services/notification/webhooks/event_client.h"
#include "services/notification/webhooks/webhook_deliveries.h"
#include "services/notification/webhooks/webhook_follower.h"
#include "services/notification/webhooks/webhook_server.h"
#include "services/notification/webhooks/webhooks.h"
#include "tests/integration/notification/world.h"

namespace parley::notification {

class WatchedLog final : public event::v1::EventService::Service {
 public:
  explicit WatchedLog(const rpc::Signer& signer) : signer_(signer) { Start("127.0.0.1:0"); }

  void Start(const std::string& address) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  void Stop() { server_->Shutdown(); }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  // Tells of an entry of the event from now on.
  void Append(const Uuid& event_id, int64_t sequence, event::v1::LogEntry::Data data, const std::string& initiator) {
    absl::MutexLock lock(&mutex_);
    const std::string name = "events/" + event_id.ToString();
    auto& message = entries_.emplace_back();
    message.set_sequence(sequence);
    message.mutable_log_entry()->set_sequence(sequence);
    message.mutable_log_entry()->set_name(data::NameOf(event_id, sequence));
    message.mutable_log_entry()->set_occurrence(event::v1::LogEntry::UPDATE);
    *message.mutable_log_entry()->mutable_data() = std::move(data);
    message.mutable_event()->set_name(name);
    message.mutable_event()->set_initiator(initiator);
  }
  // From now on who asks for an entry of this event is answered so.
  void Refuse(const Uuid& event_id, const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    refused_["events/" + event_id.ToString()] = status;
  }
  // Who asks for an entry of this event waits until he gives up.
  void Hang(const Uuid& event_id) { Refuse(event_id, absl::OkStatus()); }
  // From now on the initiator is erased.
  void Erase() {
    absl::MutexLock lock(&mutex_);
    for (auto& message : entries_) message.mutable_event()->set_initiator("erased");
  }

  grpc::Status WatchEvent(grpc::ServerContext* context, const event::v1::WatchEventRequest* request,
                          grpc::ServerWriter<event::v1::WatchEventResponse>* writer) override {
    if (!IsOurs(*context, "WatchEvent")) return {grpc::StatusCode::UNAUTHENTICATED, ""};
    absl::MutexLock lock(&mutex_);
    if (const auto refused = refused_.find(request->name()); refused != refused_.end()) {
      if (!refused->second.ok()) return rpc::ToGrpc(refused->second, "test");
      const auto is_over = [context] { return context->IsCancelled(); };
      while (!is_over()) mutex_.AwaitWithTimeout(absl::Condition(&is_over), absl::Milliseconds(10));
      return grpc::Status::CANCELLED;
    }
    for (const auto& message : entries_) {
      if (message.event().name() != request->name() || message.sequence() <= request->after_sequence()) continue;
      if (!writer->Write(message)) return grpc::Status::CANCELLED;
    }
    return grpc::Status::OK;
  }

 private:
  bool IsOurs(const grpc::ServerContext& context, const std::string& method) {
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find(rpc::kPrincipalMetadata);
    if (found == metadata.end()) return false;
    const auto principal = signer_.Verify({found->second.data(), found->second.size()},
                                          "/parley.event.v1.EventService/" + method, absl::Now());
    return principal.ok() && principal->service == "notification";
  }

  const rpc::Signer& signer_;
  int port_ = 0;
  absl::Mutex mutex_;
  std::vector<event::v1::WatchEventResponse> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Status> refused_ ABSL_GUARDED_BY(mutex_);  // by the names of events
  std::unique_ptr<grpc::Server> server_;
};

class WebhookWorld : public World {
 protected:
  using LogEntry = event::v1::LogEntry;
  using Deliveries = std::vector<v1::WebhookDelivery>;

  // The next entry of the event, which does this; in the tree too.
  int64_t Tell(const Uuid& event_id, const event::v1::LogEntry::Data& data,
               LogEntry::Occurrence occurrence = LogEntry::UPDATE, int count = 1) {
    std::vector<data::LogEntry> entries;
    for (int i = 0; i < count; ++i) {
      data::LogEntry& entry = entries.emplace_back();
      entry.event_id = event_id;
      entry.sequence = ++last_sequences_[event_id];
      entry.create_time = kNine;
      entry.occurrence = occurrence;
      entry.effector_id = ann_.id;
      if (data.has_opened()) entry.data.mutable_opened()->set_title(data.opened().title());
      entry.data.set_slots_changed(data.slots_changed());
      entry.data.set_closed(data.closed());
      entry.data.set_state(data.state());
      entry.data.set_deleted(data.deleted());
      log_.Append(event_id, entry.sequence, data, "ann@example.com");
    }
    Do([&](data::Transaction& tx) { return data::LogEntries(tx).Append(entries); }).IgnoreError();
    Do([&](data::Transaction& tx) -> absl::Status {
      data::LogTree tree(tx);
      PARLEY_RETURN_IF_ERROR(tree.Lock().status());
      return tree.Sequence();
    }).IgnoreError();
    return last_sequences_[event_id];
  }
  int64_t TellUpdate(const Uuid& event_id, int count = 1) {
    event::v1::LogEntry::Data data;
    data.set_slots_changed(true);
    return Tell(event_id, data, LogEntry::UPDATE, count);
  }
  // Behind so many leaves.
  std::string CursorAt(int64_t leaves) {
    return Do([&](data::Transaction& tx) -> absl::StatusOr<std::string> {
             if (leaves == 0) return Encode(data::LogCursor());
             PARLEY_ASSIGN_OR_RETURN(const auto hash, data::LogTree(tx).LeafHash(leaves - 1));
             return Encode(data::LogCursor::Behind(leaves - 1, hash.value_or("")));
           })
        .value();
  }

  static v1::CreateWebhookRequest NewWebhook(const std::string& url = "https://example.com/hook") {
    v1::CreateWebhookRequest request;
    request.mutable_webhook()->set_url(url);
    for (int kind = v1::Webhook::CREATED; kind <= v1::Webhook::DELETED; ++kind) {
      request.mutable_webhook()->add_kinds(static_cast<Kind>(kind));
    }
    return request;
  }

  // Runs a handler, as staff.
  template <class Request, class Response>
  absl::StatusOr<Response> Run(absl::Status (*handler)(const WebhookContext&, const rpc::Call&, const Request&,
                                                       Response&),
                               const Request& request, const std::optional<rpc::Call>& call = std::nullopt) {
    const WebhookContext context{pool_, signer_, key_, max_webhooks_};
    Response response;
    PARLEY_RETURN_IF_ERROR(handler(context, call.value_or(AsStaff(staff_)), request, response));
    return response;
  }
  v1::Webhook MakeWebhook(const std::string& url = "https://example.com/hook") {
    const auto made = Run(&CreateWebhook, NewWebhook(url));
    EXPECT_THAT(made, test::Succeeds());
    return made.value_or(v1::Webhook());
  }
  static Uuid IdOf(const v1::Webhook& webhook) { return *Uuid::Parse(webhook.name().substr(9)); }
  v1::Webhook Get(const v1::Webhook& webhook) {
    v1::GetWebhookRequest request;
    request.set_name(webhook.name());
    return Run(&GetWebhook, request).value_or(v1::Webhook());
  }
  // From this cursor on.
  absl::Status Replay(const v1::Webhook& webhook, const std::string& cursor) {
    v1::ReplayWebhookRequest request;
    request.set_name(webhook.name());
    request.set_cursor(cursor);
    return Run(&ReplayWebhook, request).status();
  }
  // In the order of the log.
  Deliveries DeliveriesOf(const v1::Webhook& webhook) {
    v1::ListWebhookDeliveriesRequest request;
    request.set_parent(webhook.name());
    request.set_page_size(100);
    const auto listed = Run(&ListWebhookDeliveries, request);
    EXPECT_THAT(listed, test::Succeeds());
    if (!listed.ok()) return {};
    return {listed->webhook_deliveries().rbegin(), listed->webhook_deliveries().rend()};
  }
  std::vector<v1::WebhookDelivery::State> StatesOf(const v1::Webhook& webhook) {
    std::vector<v1::WebhookDelivery::State> states;
    for (const auto& delivery : DeliveriesOf(webhook)) states.push_back(delivery.state());
    return states;
  }

  // Looks through the log until all have caught up.
  void Follow() {
    WebhookFollower follower(pool_, [this] { ++told_; });
    absl::StatusOr<bool> looked = true;
    while (looked.ok() && *looked) looked = follower.Step();
    EXPECT_THAT(looked, test::Succeeds());
  }

  // As the dispatcher does: sequences of what was begun, in their order.
  std::vector<BegunAttempt> Begin(int free = 4, absl::Duration lease = absl::Minutes(1)) {
    return Do([&](data::Transaction& tx) { return WebhookDeliveries(tx).Begin({}, free, lease); }).value();
  }
  static std::vector<int64_t> SequencesOf(const std::vector<BegunAttempt>& begun) {
    std::vector<int64_t> sequences;
    for (const BegunAttempt& each : begun) sequences.push_back(each.delivery.sequence);
    return sequences;
  }
  static EndedAttempt Ended(const BegunAttempt& begun, bool delivered, absl::Duration pause = absl::Hours(1)) {
    EndedAttempt ended;
    ended.webhook_id = begun.delivery.webhook_id;
    ended.event_id = begun.delivery.event_id;
    ended.sequence = begun.delivery.sequence;
    ended.attempt = begun.attempt;
    ended.delivered = delivered;
    ended.http_status = delivered ? 200 : 500;
    ended.detail = delivered ? "" : "the answer was 500";
    ended.pause = pause;
    return ended;
  }
  std::vector<RecordedAttempt> Record(const EndedAttempt& ended) {
    return Do([&](data::Transaction& tx) { return WebhookDeliveries(tx).Record({ended}, absl::Hours(72)); }).value();
  }
  // All that has happened happened so much earlier.
  void TimePasses(const std::string& interval) {
    database_.Sql(absl::StrCat("update parley.webhook_deliveries set create_time = create_time - interval '", interval,
                               "', next_attempt_time = next_attempt_time - interval '", interval,
                               "', lease_end_time = lease_end_time - interval '", interval,
                               "', settle_time = settle_time - interval '", interval, "'"));
  }

  WatchedLog log_{signer_};
  EventClient events_{signer_, log_.address()};
  const WebhookKey key_ = *WebhookKey::Make("a webhook secret of at least 32 characters");
  std::map<Uuid, int64_t> last_sequences_;
  int max_webhooks_ = 50;
  int told_ = 0;  // how often the follower woke the dispatcher
  const Uuid event_ = Uuid::TimeOrdered();
  const Uuid other_event_ = Uuid::TimeOrdered();
};

}  // namespace parley::notification
