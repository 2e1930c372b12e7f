// The event service for tests of webhooks: WatchEvents and WatchEvent over gRPC, of entries that a test appends. A
// cursor is the number of entries before it. And the WebhookService's handlers on it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
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

  // The next entry of the event, and the event after it.
  int64_t Append(const Uuid& event_id, event::v1::LogEntry::Data data, const std::string& initiator) {
    absl::MutexLock lock(&mutex_);
    const std::string name = "events/" + event_id.ToString();
    const auto before =
        std::ranges::count_if(entries_, [&name](const auto& message) { return message.event().name() == name; });
    auto& message = entries_.emplace_back();
    message.mutable_log_entry()->set_sequence(before + 1);
    message.mutable_log_entry()->set_name(absl::StrCat(name, "/logEntries/", before + 1));
    message.mutable_log_entry()->set_occurrence(event::v1::LogEntry::UPDATE);
    *message.mutable_log_entry()->mutable_data() = std::move(data);
    message.mutable_event()->set_name(name);
    message.mutable_event()->set_initiator(initiator);
    message.set_cursor(std::to_string(entries_.size()));
    return before + 1;
  }
  // From now on the initiator is erased.
  void Erase() {
    absl::MutexLock lock(&mutex_);
    for (auto& message : entries_) message.mutable_event()->set_initiator("erased");
  }

  grpc::Status WatchEvents(grpc::ServerContext* context, const event::v1::WatchEventsRequest* request,
                           grpc::ServerWriter<event::v1::WatchEventsResponse>* writer) override {
    if (!IsOurs(*context, "WatchEvents")) return {grpc::StatusCode::UNAUTHENTICATED, ""};
    absl::MutexLock lock(&mutex_);
    size_t at = 0;
    if (request->only_new()) {
      at = entries_.size();
    } else if (!request->cursor().empty() && !absl::SimpleAtoi(request->cursor(), &at)) {
      FieldViolations fields;
      fields.Add("cursor", "must be a cursor");
      return rpc::ToGrpc(fields.ToStatus(), "test");
    } else if (at > entries_.size()) {
      return rpc::ToGrpc(Error(absl::StatusCode::kOutOfRange, error::v1::CURSOR_INVALID, "of another log"), "test");
    }
    for (; at < entries_.size(); ++at) {
      const auto& wanted = request->occurrences();
      const int occurrence = entries_[at].log_entry().occurrence();
      if (!wanted.empty() && std::ranges::find(wanted, occurrence) == wanted.end()) continue;
      if (!writer->Write(entries_[at])) return grpc::Status::CANCELLED;
    }
    event::v1::WatchEventsResponse progress;
    progress.set_cursor(std::to_string(at));
    writer->Write(progress);
    return grpc::Status::OK;
  }

  grpc::Status WatchEvent(grpc::ServerContext* context, const event::v1::WatchEventRequest* request,
                          grpc::ServerWriter<event::v1::WatchEventResponse>* writer) override {
    if (!IsOurs(*context, "WatchEvent")) return {grpc::StatusCode::UNAUTHENTICATED, ""};
    absl::MutexLock lock(&mutex_);
    for (const auto& message : entries_) {
      if (message.event().name() != request->name()) continue;
      if (message.log_entry().sequence() <= request->after_sequence()) continue;
      event::v1::WatchEventResponse response;
      *response.mutable_log_entry() = message.log_entry();
      *response.mutable_event() = message.event();
      response.set_sequence(message.log_entry().sequence());
      if (!writer->Write(response)) return grpc::Status::CANCELLED;
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
  std::vector<event::v1::WatchEventsResponse> entries_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

class WebhookWorld : public World {
 protected:
  using Deliveries = std::vector<v1::WebhookDelivery>;

  // Writes an entry that does this, and places it in the tree.
  int64_t Tell(const Uuid& event_id, event::v1::LogEntry::Data data, const std::string& initiator = "ann@example.com") {
    const int64_t sequence = log_.Append(event_id, std::move(data), initiator);
    database_.Sql(absl::StrCat("insert into parley.log_leaves select count(*), '", event_id.ToString(), "', ", sequence,
                               ", sha256('') from parley.log_leaves"));
    return sequence;
  }
  int64_t TellUpdate(const Uuid& event_id) {
    event::v1::LogEntry::Data data;
    data.set_slots_changed(true);
    return Tell(event_id, data);
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
    const WebhookContext context{pool_, signer_, key_, events_, max_webhooks_};
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

  // Looks through the log until nobody is due; what has been looked for a moment ago is due again.
  void Follow() {
    database_.Sql("update parley.webhooks set next_look_time = now()");
    WebhookFollower follower(pool_, events_, [this] { ++told_; });
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
  int max_webhooks_ = 50;
  int told_ = 0;  // how often the follower woke the dispatcher
  const Uuid event_ = Uuid::TimeOrdered();
  const Uuid other_event_ = Uuid::TimeOrdered();
};

}  // namespace parley::notification
