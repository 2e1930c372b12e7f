#include "services/notification/webhooks/webhook_server.h"

namespace parley::notification {
namespace {

std::string MethodName(std::string_view method) {
  return "/" + std::string(v1::WebhookService::service_full_name()) + "/" + std::string(method);
}

// A handler of one operation, bound to the context.
template <class Request, class Response>
auto Bind(const WebhookContext& context,
          absl::Status (*handler)(const WebhookContext&, const rpc::Call&, const Request&, Response&)) {
  return [&context, handler](const rpc::Call& call, const Request& request, Response& response) {
    return handler(context, call, request, response);
  };
}

}  // namespace

WebhookServer::WebhookServer(const WebhookContext& context, rpc::CallQueue& queue)
    : create_webhook_(queue, MethodName("CreateWebhook"), Bind(context, notification::CreateWebhook)),
      get_webhook_(queue, MethodName("GetWebhook"), Bind(context, notification::GetWebhook)),
      list_webhooks_(queue, MethodName("ListWebhooks"), Bind(context, notification::ListWebhooks)),
      delete_webhook_(queue, MethodName("DeleteWebhook"), Bind(context, notification::DeleteWebhook)),
      replay_webhook_(queue, MethodName("ReplayWebhook"), Bind(context, notification::ReplayWebhook)),
      list_webhook_deliveries_(queue, MethodName("ListWebhookDeliveries"),
                               Bind(context, notification::ListWebhookDeliveries)) {}

grpc::ServerUnaryReactor* WebhookServer::CreateWebhook(grpc::CallbackServerContext* context,
                                                       const v1::CreateWebhookRequest* request, v1::Webhook* response) {
  return create_webhook_.Start(context, request, response);
}

grpc::ServerUnaryReactor* WebhookServer::GetWebhook(grpc::CallbackServerContext* context,
                                                    const v1::GetWebhookRequest* request, v1::Webhook* response) {
  return get_webhook_.Start(context, request, response);
}

grpc::ServerUnaryReactor* WebhookServer::ListWebhooks(grpc::CallbackServerContext* context,
                                                      const v1::ListWebhooksRequest* request,
                                                      v1::ListWebhooksResponse* response) {
  return list_webhooks_.Start(context, request, response);
}

grpc::ServerUnaryReactor* WebhookServer::DeleteWebhook(grpc::CallbackServerContext* context,
                                                       const v1::DeleteWebhookRequest* request,
                                                       google::protobuf::Empty* response) {
  return delete_webhook_.Start(context, request, response);
}

grpc::ServerUnaryReactor* WebhookServer::ReplayWebhook(grpc::CallbackServerContext* context,
                                                       const v1::ReplayWebhookRequest* request, v1::Webhook* response) {
  return replay_webhook_.Start(context, request, response);
}

grpc::ServerUnaryReactor* WebhookServer::ListWebhookDeliveries(grpc::CallbackServerContext* context,
                                                               const v1::ListWebhookDeliveriesRequest* request,
                                                               v1::ListWebhookDeliveriesResponse* response) {
  return list_webhook_deliveries_.Start(context, request, response);
}

}  // namespace parley::notification
