#include "common/rpc/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <set>

#include "google/rpc/error_details.pb.h"
#include "grpc/health/v1/health.pb.h"

namespace parley::rpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

constexpr std::string_view kInternal = "parley.internal.";

bool IsShown(const FileDescriptor* file) { return file != nullptr && !file->package().starts_with(kInternal); }

// The file and all that it imports, each once, as a client needs them to read it.
void AddWithImports(const FileDescriptor* file, std::set<const FileDescriptor*>& seen,
                    grpc::reflection::v1alpha::FileDescriptorResponse* response) {
  if (!seen.insert(file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  file->CopyJsonNameTo(&proto);  // by which clients spell JSON
  response->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) AddWithImports(file->dependency(i), seen, response);
}

ServerReflectionResponse Answer(const ServerReflectionRequest& request, const std::vector<std::string>& services) {
  ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  const auto* pool = DescriptorPool::generated_pool();
  const FileDescriptor* file = nullptr;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      for (const std::string& service : services) {
        response.mutable_list_services_response()->add_service()->set_name(service);
      }
      return response;
    case ServerReflectionRequest::kFileByFilename:
      file = pool->FindFileByName(request.file_by_filename());
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      file = pool->FindFileContainingSymbol(request.file_containing_symbol());
      break;
    case ServerReflectionRequest::kFileContainingExtension:
    case ServerReflectionRequest::kAllExtensionNumbersOfType:  // proto3: there are no extensions of ours
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      response.mutable_error_response()->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
      response.mutable_error_response()->set_error_message("the request asks nothing");
      return response;
  }
  if (IsShown(file)) {
    std::set<const FileDescriptor*> seen;
    AddWithImports(file, seen, response.mutable_file_descriptor_response());
  } else {
    response.mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
    response.mutable_error_response()->set_error_message("not found");
  }
  return response;
}

class Stream final : public grpc::ServerBidiReactor<ServerReflectionRequest, ServerReflectionResponse> {
 public:
  explicit Stream(const std::vector<std::string>& services) : services_(services) { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    response_ = Answer(request_, services_);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  const std::vector<std::string>& services_;
  ServerReflectionRequest request_;
  ServerReflectionResponse response_;
};

std::vector<std::string> ShownOf(std::vector<std::string> services) {
  std::erase_if(services, [](const std::string& service) { return service.starts_with(kInternal); });
  services.push_back(grpc::health::v1::HealthCheckRequest::descriptor()->file()->service(0)->full_name());
  services.emplace_back(grpc::reflection::v1alpha::ServerReflection::service_full_name());
  std::sort(services.begin(), services.end());
  // Details of errors are packed in Any: a client asks for their types by name, so they must be linked in.
  google::rpc::ErrorInfo::descriptor();
  return services;
}

}  // namespace

Reflection::Reflection(std::vector<std::string> services) : services_(ShownOf(std::move(services))) {}

grpc::ServerBidiReactor<ServerReflectionRequest, ServerReflectionResponse>* Reflection::ServerReflectionInfo(
    grpc::CallbackServerContext*) {
  return new Stream(services_);
}

}  // namespace parley::rpc
