// Each method of the contracts reaches its handler: the name that the principal is signed for is the name that it has.
#include "services/token/token_server.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>

#include "absl/synchronization/notification.h"
#include "common/data/workers.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/integration/token/token_test.h"

namespace parley::token {
namespace {

using ::testing::AnyOf;

class TokenServerTest : public TokenTest {
 protected:
  TokenServerTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&token_server);
    builder.RegisterService(&credential_server);
    server = builder.BuildAndStart();
    stub = std::make_unique<grpc::GenericStub>(server->InProcessChannel({}));
  }
  ~TokenServerTest() override {
    server->Shutdown();
    server->Wait();
  }

  // Calls with an empty request. The reason of the error; empty where there is none.
  std::string ReasonOfCall(const std::string& method, const std::string& principal) {
    grpc::ClientContext context;
    context.AddMetadata(rpc::kPrincipalMetadata, principal);
    const grpc::ByteBuffer request(nullptr, 0);
    grpc::ByteBuffer response;
    grpc::Status status;
    absl::Notification done;
    stub->UnaryCall(&context, method, {}, &request, &response, [&](grpc::Status result) {
      status = std::move(result);
      done.Notify();
    });
    done.WaitForNotification();
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    if (details.ParseFromString(status.error_details()) && details.details_size() > 0) {
      details.details(0).UnpackTo(&info);
    }
    return info.reason();
  }

  static std::vector<std::string> MethodsOf(const google::protobuf::ServiceDescriptor& service) {
    std::vector<std::string> methods;
    for (int i = 0; i < service.method_count(); ++i) {
      methods.push_back("/" + service.full_name() + "/" + service.method(i)->name());
    }
    return methods;
  }

  data::Workers workers{2, 16};
  rpc::CallQueue queue{signer, workers, absl::Seconds(30)};
  TokenServer token_server{queue, tokens};
  CredentialServer credential_server{queue, credentials};
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<grpc::GenericStub> stub;
};

TEST_F(TokenServerTest, EveryMethodTakesAPrincipalThatIsSignedForIt) {
  const rpc::Principal user = CallByUser(MakeUser("anna@example.com")).principal;
  for (const std::string& method : MethodsOf(*v1::GetUserRequest::descriptor()->file()->service(0))) {
    // ListUsers alone needs nothing to be well formed.
    EXPECT_EQ(ReasonOfCall(method, signer.Sign(user, method, absl::Now())),
              method.ends_with("/ListUsers") ? "PERMISSION_DENIED" : "INVALID_FIELDS")
        << method;
  }
  for (const std::string& method :
       MethodsOf(*internal::token::v1::CheckCredentialRequest::descriptor()->file()->service(0))) {
    const std::string principal = signer.Sign(rpc::Principal::Service("notification"), method, absl::Now());
    EXPECT_THAT(ReasonOfCall(method, principal), AnyOf("INVALID_FIELDS", "CREDENTIAL_INVALID")) << method;
  }
}

TEST_F(TokenServerTest, NoMethodTakesAPrincipalThatIsSignedForAnother) {
  const rpc::Principal user = CallByUser(MakeUser("anna@example.com")).principal;
  const std::string principal = signer.Sign(user, "/parley.token.v1.TokenService/Other", absl::Now());
  for (const std::string& method : MethodsOf(*v1::GetUserRequest::descriptor()->file()->service(0))) {
    EXPECT_EQ(ReasonOfCall(method, principal), "CREDENTIAL_MISSING") << method;
    EXPECT_EQ(ReasonOfCall(method, "forged"), "CREDENTIAL_MISSING") << method;
  }
}

}  // namespace
}  // namespace parley::token
