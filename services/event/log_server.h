// LogService, from gRPC to the handlers.
#pragma once

#include "common/rpc/call.h"
#include "parley/event/v1/log_service.grpc.pb.h"
#include "services/event/event_server.h"

namespace parley::event {

// Contracts and errors: proto/parley/event/v1/log_service.proto. Thread-safe.
absl::Status GetCheckpoint(const Context& context, const rpc::Call& call, const v1::GetCheckpointRequest& request,
                           v1::Checkpoint& response);
absl::Status GetInclusionProof(const Context& context, const rpc::Call& call,
                               const v1::GetInclusionProofRequest& request, v1::InclusionProof& response);
absl::Status GetConsistencyProof(const Context& context, const rpc::Call& call,
                                 const v1::GetConsistencyProofRequest& request, v1::ConsistencyProof& response);

class LogServer final : public v1::LogService::CallbackService {
 public:
  // Both must outlive the server.
  LogServer(const Context& context, rpc::CallQueue& queue);

  grpc::ServerUnaryReactor* GetCheckpoint(grpc::CallbackServerContext* context, const v1::GetCheckpointRequest* request,
                                          v1::Checkpoint* response) override;
  grpc::ServerUnaryReactor* GetInclusionProof(grpc::CallbackServerContext* context,
                                              const v1::GetInclusionProofRequest* request,
                                              v1::InclusionProof* response) override;
  grpc::ServerUnaryReactor* GetConsistencyProof(grpc::CallbackServerContext* context,
                                                const v1::GetConsistencyProofRequest* request,
                                                v1::ConsistencyProof* response) override;

 private:
  rpc::Method<v1::GetCheckpointRequest, v1::Checkpoint> get_checkpoint_;
  rpc::Method<v1::GetInclusionProofRequest, v1::InclusionProof> get_inclusion_proof_;
  rpc::Method<v1::GetConsistencyProofRequest, v1::ConsistencyProof> get_consistency_proof_;
};

}  // namespace parley::event
