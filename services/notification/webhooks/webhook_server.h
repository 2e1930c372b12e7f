// WebhookService, from gRPC to the handlers, which are plain code on worker threads.
#pragma once

#include "common/data/transaction.h"
#include "common/rpc/call.h"
#include "parley/notification/v1/webhook_service.grpc.pb.h"
#include "services/notification/webhooks/signatures.h"

namespace parley::notification {

// What every handler needs. Outlives all calls. Thread-safe.
struct WebhookContext {
  data::Pool& pool;
  const rpc::Signer& signer;  // of page tokens and remembered requests
  const WebhookKey& key;
  const int max_webhooks;
};

// Contracts and errors: proto/parley/notification/v1/webhook_service.proto. Thread-safe.
absl::Status CreateWebhook(const WebhookContext& context, const rpc::Call& call,
                           const v1::CreateWebhookRequest& request, v1::Webhook& response);
absl::Status GetWebhook(const WebhookContext& context, const rpc::Call& call, const v1::GetWebhookRequest& request,
                        v1::Webhook& response);
absl::Status ListWebhooks(const WebhookContext& context, const rpc::Call& call, const v1::ListWebhooksRequest& request,
                          v1::ListWebhooksResponse& response);
absl::Status DeleteWebhook(const WebhookContext& context, const rpc::Call& call,
                           const v1::DeleteWebhookRequest& request, google::protobuf::Empty& response);
absl::Status ReplayWebhook(const WebhookContext& context, const rpc::Call& call,
                           const v1::ReplayWebhookRequest& request, v1::Webhook& response);
absl::Status ListWebhookDeliveries(const WebhookContext& context, const rpc::Call& call,
                                   const v1::ListWebhookDeliveriesRequest& request,
                                   v1::ListWebhookDeliveriesResponse& response);

class WebhookServer final : public v1::WebhookService::CallbackService {
 public:
  // Both must outlive the server.
  WebhookServer(const WebhookContext& context, rpc::CallQueue& queue);

  grpc::ServerUnaryReactor* CreateWebhook(grpc::CallbackServerContext* context, const v1::CreateWebhookRequest* request,
                                          v1::Webhook* response) override;
  grpc::ServerUnaryReactor* GetWebhook(grpc::CallbackServerContext* context, const v1::GetWebhookRequest* request,
                                       v1::Webhook* response) override;
  grpc::ServerUnaryReactor* ListWebhooks(grpc::CallbackServerContext* context, const v1::ListWebhooksRequest* request,
                                         v1::ListWebhooksResponse* response) override;
  grpc::ServerUnaryReactor* DeleteWebhook(grpc::CallbackServerContext* context, const v1::DeleteWebhookRequest* request,
                                          google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* ReplayWebhook(grpc::CallbackServerContext* context, const v1::ReplayWebhookRequest* request,
                                          v1::Webhook* response) override;
  grpc::ServerUnaryReactor* ListWebhookDeliveries(grpc::CallbackServerContext* context,
                                                  const v1::ListWebhookDeliveriesRequest* request,
                                                  v1::ListWebhookDeliveriesResponse* response) override;

 private:
  rpc::Method<v1::CreateWebhookRequest, v1::Webhook> create_webhook_;
  rpc::Method<v1::GetWebhookRequest, v1::Webhook> get_webhook_;
  rpc::Method<v1::ListWebhooksRequest, v1::ListWebhooksResponse> list_webhooks_;
  rpc::Method<v1::DeleteWebhookRequest, google::protobuf::Empty> delete_webhook_;
  rpc::Method<v1::ReplayWebhookRequest, v1::Webhook> replay_webhook_;
  rpc::Method<v1::ListWebhookDeliveriesRequest, v1::ListWebhookDeliveriesResponse> list_webhook_deliveries_;
};

}  // namespace parley::notification
