// The service config for clients, proto/service_config.json: retries what changes nothing, and GetEvent, and only that.
#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "parley/event/v1/event_service.grpc.pb.h"
#include "parley/event/v1/log_service.grpc.pb.h"
#include "parley/notification/v1/notification_service.grpc.pb.h"
#include "parley/notification/v1/webhook_service.pb.h"
#include "parley/token/v1/token_service.grpc.pb.h"

namespace parley {
namespace {

std::string Content() {
  std::stringstream content;
  content << std::ifstream(PARLEY_SERVICE_CONFIG).rdbuf();
  return content.str();
}

TEST(ServiceConfigTest, NamesExactlyWhatChangesNothingAndGetEvent) {
  std::set<std::string> named;
  const auto config = nlohmann::json::parse(Content());
  for (const auto& method : config["methodConfig"][0]["name"]) {
    named.insert(method["service"].get<std::string>() + "." + method["method"].get<std::string>());
  }
  // By the house's names what begins so changes nothing; GetEvent is the one that writes, harmlessly.
  std::set<std::string> expected;
  for (const auto* file :
       {event::v1::GetEventRequest::descriptor()->file(), event::v1::GetCheckpointRequest::descriptor()->file(),
        token::v1::GetUserRequest::descriptor()->file(), notification::v1::GetNotificationRequest::descriptor()->file(),
        notification::v1::GetWebhookRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service(0)->method_count(); ++i) {
      const auto* method = file->service(0)->method(i);
      if (method->name().starts_with("Get") || method->name().starts_with("List")) expected.insert(method->full_name());
    }
  }
  EXPECT_EQ(named, expected);
}

// Is away the first time.
class Flaky final : public event::v1::EventService::Service {
 public:
  grpc::Status GetEvent(grpc::ServerContext*, const event::v1::GetEventRequest*, event::v1::Event*) override {
    return ++gets == 1 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "") : grpc::Status::OK;
  }
  grpc::Status ConfirmEvent(grpc::ServerContext*, const event::v1::ConfirmEventRequest*, event::v1::Event*) override {
    return ++confirms == 1 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "") : grpc::Status::OK;
  }
  int gets = 0, confirms = 0;
};

TEST(ServiceConfigTest, AClientThatUsesItRetriesWhatItMay) {
  Flaky service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(Content());
  const auto stub = event::v1::EventService::NewStub(
      grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), arguments));
  event::v1::Event event;
  grpc::ClientContext get;
  EXPECT_TRUE(stub->GetEvent(&get, {}, &event).ok());
  EXPECT_EQ(service.gets, 2);
  grpc::ClientContext confirm;
  EXPECT_EQ(stub->ConfirmEvent(&confirm, {}, &event).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(service.confirms, 1);
}

}  // namespace
}  // namespace parley
