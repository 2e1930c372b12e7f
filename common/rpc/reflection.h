// gRPC server reflection (grpc.reflection.v1alpha) of chosen services, from the contracts that are compiled in. Unlike
// gRPC's own plugin it can show services that another process serves, the health service, and the details of errors;
// and it hides what lies in parley.internal. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "reflection/grpc_reflection_v1alpha/reflection.grpc.pb.h"

namespace parley::rpc {

class Reflection final : public grpc::reflection::v1alpha::ServerReflection::CallbackService {
 public:
  // Full names: `parley.event.v1.EventService`. Health and reflection themselves are added.
  explicit Reflection(std::vector<std::string> services);

  grpc::ServerBidiReactor<grpc::reflection::v1alpha::ServerReflectionRequest,
                          grpc::reflection::v1alpha::ServerReflectionResponse>*
  ServerReflectionInfo(grpc::CallbackServerContext* context) override;

 private:
  const std::vector<std::string> services_;
};

}  // namespace parley::rpc
