#include "services/event/log_server.h"

namespace parley::event {
namespace {

std::string MethodName(std::string_view method) {
  return "/" + std::string(v1::LogService::service_full_name()) + "/" + std::string(method);
}

}  // namespace

LogServer::LogServer(const Context& context, rpc::CallQueue& queue)
    : get_checkpoint_(queue, MethodName("GetCheckpoint"), Bind(context, event::GetCheckpoint)),
      get_inclusion_proof_(queue, MethodName("GetInclusionProof"), Bind(context, event::GetInclusionProof)),
      get_consistency_proof_(queue, MethodName("GetConsistencyProof"), Bind(context, event::GetConsistencyProof)) {}

grpc::ServerUnaryReactor* LogServer::GetCheckpoint(grpc::CallbackServerContext* context,
                                                   const v1::GetCheckpointRequest* request, v1::Checkpoint* response) {
  return get_checkpoint_.Start(context, request, response);
}

grpc::ServerUnaryReactor* LogServer::GetInclusionProof(grpc::CallbackServerContext* context,
                                                       const v1::GetInclusionProofRequest* request,
                                                       v1::InclusionProof* response) {
  return get_inclusion_proof_.Start(context, request, response);
}

grpc::ServerUnaryReactor* LogServer::GetConsistencyProof(grpc::CallbackServerContext* context,
                                                         const v1::GetConsistencyProofRequest* request,
                                                         v1::ConsistencyProof* response) {
  return get_consistency_proof_.Start(context, request, response);
}

}  // namespace parley::event
