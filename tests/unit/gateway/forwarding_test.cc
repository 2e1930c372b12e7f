// A gateway between a client and a service, all in this process and over real connections.
#include "services/gateway/forwarding.h"

#include <grpcpp/generic/generic_stub.h>

#include <atomic>

#include "absl/synchronization/notification.h"
#include "common/rpc/call.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "parley/internal/token/v1/credential_service.grpc.pb.h"
#include "services/gateway/credentials.h"
#include "tests/support/status_matchers.h"

namespace parley::gateway {
namespace {

using testing::HasSubstr;
using Strings = std::multimap<std::string, std::string>;

constexpr char kUnary[] = "/parley.event.v1.EventService/GetEvent";
constexpr char kHeld[] = "/parley.event.v1.EventService/ListEvents";
constexpr char kEcho[] = "/parley.event.v1.Fake/Echo";
constexpr char kFail[] = "/parley.event.v1.Fake/Fail";
constexpr char kHang[] = "/parley.event.v1.Fake/Hang";
// The one streaming method that the contracts have at all times.
constexpr char kStream[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
constexpr absl::Duration kPatience = absl::Seconds(20);

Strings ToStrings(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  Strings strings;
  for (const auto& [key, value] : metadata) {
    strings.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
  }
  return strings;
}

std::string Only(const Strings& metadata, const std::string& key) {
  return metadata.count(key) == 1 ? metadata.find(key)->second : absl::StrCat("(", metadata.count(key), " times)");
}

grpc::ByteBuffer ToBuffer(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}

std::string ToText(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  return buffer.DumpToSingleSlice(&slice).ok() ? std::string(reinterpret_cast<const char*>(slice.begin()), slice.size())
                                               : "(none)";
}

// Details of a status as they stand on the wire.
google::rpc::ErrorInfo ErrorInfoIn(const grpc::Status& status) {
  google::rpc::Status proto;
  google::rpc::ErrorInfo info;
  proto.ParseFromString(status.error_details());
  if (proto.details_size() > 0) proto.details(0).UnpackTo(&info);
  return info;
}

// Answers each message with the same one, that of kHeld once it is let go, but for the methods Fail and Hang. Remembers
// how it was last called.
class FakeService final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    {
      absl::MutexLock lock(&mutex_);
      metadata_ = ToStrings(context->client_metadata());
      deadline_ = absl::FromChrono(context->deadline());
    }
    context->AddInitialMetadata("x-initial", "1");
    context->AddTrailingMetadata("x-trailer", "2");
    context->AddTrailingMetadata("x-trailer-bin", std::string("\0\xff", 2));
    return new Reactor(*this, *context);
  }

  Strings metadata() {
    absl::MutexLock lock(&mutex_);
    return metadata_;
  }
  absl::Time deadline() {
    absl::MutexLock lock(&mutex_);
    return deadline_;
  }
  absl::Notification cancelled, held;
  void LetGo() { held_->Answer(); }

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor(FakeService& service, grpc::GenericCallbackServerContext& context) : service_(service), context_(context) {
      if (context.method() == kFail) {
        Finish({grpc::StatusCode::ABORTED, "stale", std::string("\0\xff", 2)});
        return;
      }
      StartSendInitialMetadata();
      if (context.method() != kHang) StartRead(&message_);
    }
    void Answer() { StartWrite(&message_); }
    void OnReadDone(bool ok) override {
      if (ok && context_.method() == kHeld) {
        service_.held_ = this;
        return service_.held.Notify();
      }
      if (ok) return Answer();
      Finish(grpc::Status::OK);
    }
    void OnWriteDone(bool ok) override {
      if (ok) return StartRead(&message_);
      Finish(grpc::Status::CANCELLED);
    }
    void OnCancel() override {
      if (context_.method() != kHang) return;
      service_.cancelled.Notify();
      Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

   private:
    FakeService& service_;
    grpc::GenericCallbackServerContext& context_;
    grpc::ByteBuffer message_;
  };

  Reactor* held_ = nullptr;
  absl::Mutex mutex_;
  Strings metadata_ ABSL_GUARDED_BY(mutex_);
  absl::Time deadline_ ABSL_GUARDED_BY(mutex_);
};

// Knows two keys. Counts how often it is asked.
class FakeCredentials final : public internal::token::v1::CredentialService::CallbackService {
 public:
  explicit FakeCredentials(const rpc::Signer& signer) : signer_(signer) { user.bytes[0] = 7; }

  grpc::ServerUnaryReactor* CheckCredential(grpc::CallbackServerContext* context,
                                            const internal::token::v1::CheckCredentialRequest* request,
                                            internal::token::v1::CheckCredentialResponse* response) override {
    auto* reactor = context->DefaultReactor();
    const auto caller = signer_.Verify(Only(ToStrings(context->client_metadata()), rpc::kPrincipalMetadata),
                                       "/parley.internal.token.v1.CredentialService/CheckCredential", absl::Now());
    EXPECT_TRUE(caller.ok() && caller->service == "gateway");
    ++questions;
    if (request->key() != "good" && request->key() != "also-good") {
      reactor->Finish(rpc::ToGrpc(CredentialInvalid(), "another id"));
      return reactor;
    }
    response->set_user_id(user.ToBytes());
    response->set_credential_id(user.ToBytes());
    if (!request->act_for().empty()) response->set_acting_user_id(user.ToBytes());
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  Uuid user;
  std::atomic<int> questions = 0;

 private:
  const rpc::Signer& signer_;
};

std::unique_ptr<grpc::Server> Start(grpc::CallbackGenericService& generic, grpc::Service* service, int& port) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  // Else a test that runs at the same time may be given the same port.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterCallbackGenericService(&generic);
  if (service != nullptr) builder.RegisterService(service);
  return builder.BuildAndStart();
}

// A call, step by step.
class ClientCall {
 public:
  ~ClientCall() {
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  void Start(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
    stream_ = grpc::GenericStub(channel).PrepareCall(&context, method, &queue_);
    stream_->StartCall(this);
    EXPECT_TRUE(Await());
  }
  bool ReadInitialMetadata() {
    stream_->ReadInitialMetadata(this);
    return Await();
  }
  bool Write(const std::string& message) {
    stream_->Write(ToBuffer(message), this);
    return Await();
  }
  bool WritesDone() {
    stream_->WritesDone(this);
    return Await();
  }
  std::optional<std::string> Read() {
    grpc::ByteBuffer message;
    stream_->Read(&message, this);
    return Await() ? std::optional(ToText(message)) : std::nullopt;
  }
  grpc::Status Finish() {
    grpc::Status status;
    stream_->Finish(&status, this);
    EXPECT_TRUE(Await());
    return status;
  }
  // A call with one request, up to its end.
  grpc::Status Run(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                   const std::string& request = "request") {
    Start(channel, method);
    if (Write(request)) WritesDone();
    while (auto message = Read()) responses.push_back(*message);
    return Finish();
  }
  std::string call_id() const { return Only(ToStrings(context.GetServerInitialMetadata()), rpc::kCallIdMetadata); }

  grpc::ClientContext context;
  std::vector<std::string> responses;

 private:
  bool Await() {
    void* tag;
    bool ok = false;
    const auto got = queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(absl::Now() + kPatience));
    EXPECT_EQ(got, grpc::CompletionQueue::GOT_EVENT);
    if (got != grpc::CompletionQueue::GOT_EVENT) context.TryCancel();
    return ok;
  }

  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

class ForwardingTest : public testing::Test {
 protected:
  ForwardingTest() { Build(1000); }

  void Build(int burst, int bad_keys_burst = 1000) {
    if (gateway_) gateway_->Shutdown(absl::ToChronoTime(absl::Now()));
    if (!upstream_) upstream_ = Start(service_, &credentials_, upstream_port_);
    const std::string address = absl::StrCat("127.0.0.1:", upstream_port_);
    // Nothing listens on the port 1.
    auto routes = ParseRoutes(
        absl::StrCat("parley.event.=", address, ",grpc.reflection.=", address, ",parley.notification.=127.0.0.1:1"));
    upstreams_ = std::make_unique<Upstreams>(*routes);
    const auto clock = [] { return absl::UnixEpoch(); };
    bad_keys_ = std::make_unique<rpc::Limiter>(absl::Seconds(1), bad_keys_burst, clock);
    authenticator_ = std::make_unique<Authenticator>(CheckWith(rpc::MakeChannel(address), signer_), *bad_keys_);
    limiter_ = std::make_unique<rpc::Limiter>(absl::Seconds(1), burst, clock);
    forwarding_ = std::make_unique<Forwarding>(*upstreams_, signer_, *authenticator_, *limiter_, absl::Seconds(1000),
                                               absl::Seconds(30));
    gateway_ = Start(*forwarding_, nullptr, port_);
    channel_ = rpc::MakeChannel(absl::StrCat("127.0.0.1:", port_));
  }

  ~ForwardingTest() override {
    gateway_->Shutdown(absl::ToChronoTime(absl::Now()));
    upstream_->Shutdown(absl::ToChronoTime(absl::Now()));
  }

  // As the service saw it.
  absl::StatusOr<rpc::Principal> PrincipalFor(const std::string& method) {
    return signer_.Verify(Only(service_.metadata(), rpc::kPrincipalMetadata), method, absl::Now());
  }

  const rpc::Signer signer_ = *rpc::Signer::Make(std::string(32, 's'));
  FakeService service_;
  FakeCredentials credentials_{signer_};
  int upstream_port_ = 0;
  std::unique_ptr<grpc::Server> upstream_;
  std::unique_ptr<Upstreams> upstreams_;
  std::unique_ptr<rpc::Limiter> bad_keys_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<rpc::Limiter> limiter_;
  std::unique_ptr<Forwarding> forwarding_;
  std::unique_ptr<grpc::Server> gateway_;
  int port_ = 0;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(ForwardingTest, AUnaryCall) {
  for (const std::string& request : {std::string("request"), std::string(), std::string(500000, 'x')}) {
    ClientCall call;
    call.context.AddMetadata("authorization", "Bearer good");
    ASSERT_TRUE(call.Run(channel_, kUnary, request).ok());
    EXPECT_THAT(call.responses, testing::ElementsAre(request));
    EXPECT_EQ(Only(ToStrings(call.context.GetServerInitialMetadata()), "x-initial"), "1");
    EXPECT_EQ(Only(ToStrings(call.context.GetServerTrailingMetadata()), "x-trailer"), "2");
    EXPECT_EQ(Only(ToStrings(call.context.GetServerTrailingMetadata()), "x-trailer-bin"), std::string("\0\xff", 2));
    const auto principal = PrincipalFor(kUnary);
    ASSERT_THAT(principal, test::Succeeds());
    EXPECT_EQ(principal->user_id, credentials_.user);
    EXPECT_FALSE(principal->acting_id.has_value());
    EXPECT_EQ(call.call_id(), Only(service_.metadata(), rpc::kCallIdMetadata));
    EXPECT_EQ(call.call_id().size(), 16);
  }
}

TEST_F(ForwardingTest, MetadataIsPassedOnButForWhatIsTheGatewaysOwn) {
  ClientCall call;
  for (const char* key : {"parley-principal-bin", "parley-call-id", "parley-anything"})
    call.context.AddMetadata(key, "forged");
  call.context.AddMetadata("x-other", "text");
  call.context.AddMetadata("x-other", "more");
  call.context.AddMetadata("x-other-bin", std::string("\0\xff", 2));
  call.context.AddMetadata("authorization", "Bearer good");
  call.context.AddMetadata("parley-act-for", "somebody@example.com");
  ASSERT_TRUE(call.Run(channel_, kEcho).ok());
  const Strings seen = service_.metadata();
  EXPECT_EQ(seen.count("x-other"), 2);
  EXPECT_EQ(Only(seen, "x-other-bin"), std::string("\0\xff", 2));
  for (const char* key : {"authorization", "parley-act-for", "parley-anything"}) EXPECT_EQ(seen.count(key), 0) << key;
  for (const auto& [key, value] : seen) EXPECT_NE(value, "forged") << key;
  const auto principal = PrincipalFor(kEcho);
  ASSERT_THAT(principal, test::Succeeds());
  EXPECT_EQ(principal->acting_id, credentials_.user);
}

TEST_F(ForwardingTest, AStreamGoesBackAndForth) {
  ClientCall call;
  call.Start(channel_, kEcho);
  // Before any message.
  ASSERT_TRUE(call.ReadInitialMetadata());
  EXPECT_EQ(Only(ToStrings(call.context.GetServerInitialMetadata()), "x-initial"), "1");
  for (size_t i = 0; i < 100; ++i) {
    const std::string message(i * 1000, 'm');
    ASSERT_TRUE(call.Write(message));
    ASSERT_EQ(call.Read(), message);
  }
  ASSERT_TRUE(call.WritesDone());
  EXPECT_EQ(call.Read(), std::nullopt);
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_EQ(Only(ToStrings(call.context.GetServerTrailingMetadata()), "x-trailer"), "2");
}

TEST_F(ForwardingTest, WithoutARequest) {
  for (const char* method : {kUnary, kEcho}) {
    ClientCall call;
    call.Start(channel_, method);
    ASSERT_TRUE(call.WritesDone());
    EXPECT_EQ(call.Read(), std::nullopt);
    // Whether what no contract knows needs one, its service says.
    EXPECT_EQ(call.Finish().error_code(), method == kUnary ? grpc::StatusCode::INVALID_ARGUMENT : grpc::StatusCode::OK);
  }
}

TEST_F(ForwardingTest, AtTheEndAUnaryCallGoesOnUnlessItsRequestIsMissing) {
  ClientCall held, missing;
  missing.Start(channel_, kUnary);
  held.Start(channel_, kHeld);
  ASSERT_TRUE(held.Write("request"));
  ASSERT_TRUE(held.WritesDone());
  ASSERT_TRUE(service_.held.WaitForNotificationWithTimeout(kPatience));
  forwarding_->Drain();
  service_.LetGo();
  EXPECT_EQ(held.Read(), "request");
  EXPECT_TRUE(held.Finish().ok());
  EXPECT_EQ(missing.Read(), std::nullopt);
  EXPECT_FALSE(missing.Finish().ok());
}

TEST_F(ForwardingTest, AnErrorComesBackWithItsDetailsOnce) {
  ClientCall call;
  call.Start(channel_, kFail);
  // The client has not ended its side.
  EXPECT_EQ(call.Read(), std::nullopt);
  const grpc::Status status = call.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(), "stale");
  EXPECT_EQ(status.error_details(), std::string("\0\xff", 2));
  const Strings trailers = ToStrings(call.context.GetServerTrailingMetadata());
  EXPECT_EQ(trailers.count("grpc-status-details-bin"), 1);
  EXPECT_EQ(Only(trailers, "x-trailer"), "2");
}

TEST_F(ForwardingTest, CancellationReachesTheService) {
  ClientCall call;
  call.Start(channel_, kHang);
  ASSERT_TRUE(call.ReadInitialMetadata());
  call.context.TryCancel();
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(service_.cancelled.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(ForwardingTest, ADeadlineReachesTheServiceAndEndsTheCall) {
  ClientCall call;
  call.context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(200)));
  EXPECT_EQ(call.Run(channel_, kHang).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(service_.cancelled.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(ForwardingTest, DeadlinesAreCopiedOrMadeForUnaryCalls) {
  const struct {
    const char* method;
    absl::Duration given;
    absl::Duration seen;
  } cases[] = {
      {kUnary, absl::Seconds(100), absl::Seconds(100)},
      {kUnary, absl::InfiniteDuration(), absl::Seconds(1000)},
      {kEcho, absl::InfiniteDuration(), absl::Seconds(1000)},
      {kStream, absl::Seconds(100), absl::Seconds(100)},
      {kStream, absl::InfiniteDuration(), absl::InfiniteDuration()},
  };
  for (const auto& each : cases) {
    ClientCall call;
    const absl::Time start = absl::Now();
    if (each.given != absl::InfiniteDuration()) call.context.set_deadline(absl::ToChronoTime(start + each.given));
    ASSERT_TRUE(call.Run(channel_, each.method).ok());
    const absl::Duration left = service_.deadline() - start;
    if (each.seen == absl::InfiniteDuration()) {
      EXPECT_GT(left, absl::Hours(24 * 365));
    } else {
      EXPECT_GT(left, each.seen - absl::Seconds(50));
      EXPECT_LT(left, each.seen + absl::Seconds(50));
    }
  }
}

TEST_F(ForwardingTest, NobodyIsASignedPrincipalToo) {
  ClientCall call;
  ASSERT_TRUE(call.Run(channel_, kUnary).ok());
  const auto principal = PrincipalFor(kUnary);
  ASSERT_THAT(principal, test::Succeeds());
  EXPECT_EQ(principal->kind, rpc::Principal::Kind::kNobody);
  EXPECT_FALSE(PrincipalFor(kEcho).ok());
}

TEST_F(ForwardingTest, BadCredentialsAreRefusedHere) {
  const struct {
    std::vector<std::pair<const char*, const char*>> metadata;
    const char* reason;
  } cases[] = {
      {{{"authorization", "Bearer unknown"}}, "CREDENTIAL_INVALID"},
      {{{"authorization", "Basic good"}}, "CREDENTIAL_INVALID"},
      {{{"authorization", "Bearer good"}, {"authorization", "Bearer good"}}, "CREDENTIAL_INVALID"},
      {{{"parley-act-for", "somebody@example.com"}}, "CREDENTIAL_MISSING"},
  };
  for (const auto& each : cases) {
    ClientCall call;
    for (const auto& [key, value] : each.metadata) call.context.AddMetadata(key, value);
    const grpc::Status status = call.Run(channel_, kUnary);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ErrorInfoIn(status).reason(), each.reason);
    EXPECT_EQ(ErrorInfoIn(status).metadata().at("call_id"), call.call_id());
    EXPECT_TRUE(call.responses.empty());
  }
  EXPECT_TRUE(service_.metadata().empty());
}

TEST_F(ForwardingTest, WhatHasNoRouteIsUnimplemented) {
  for (const char* method : {"/parley.internal.token.v1.CredentialService/CheckCredential",
                             "/parley.token.v1.TokenService/GetUser", "/a/b", "/grpc.health.v1.Health/Check"}) {
    ClientCall call;
    call.context.AddMetadata("authorization", "Bearer good");
    EXPECT_EQ(call.Run(channel_, method).error_code(), grpc::StatusCode::UNIMPLEMENTED) << method;
    EXPECT_EQ(call.call_id().size(), 16) << method;
  }
}

TEST_F(ForwardingTest, AServiceThatIsAwayIsUnavailable) {
  ClientCall call;
  const grpc::Status status = call.Run(channel_, "/parley.notification.v1.NotificationService/NotifyParties");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("the notification service"));
  EXPECT_EQ(ErrorInfoIn(status).reason(), "UNAVAILABLE");
  EXPECT_EQ(ErrorInfoIn(status).metadata().at("call_id"), call.call_id());
}

TEST_F(ForwardingTest, WithoutTheTokenServiceThereAreNoCallers) {
  upstream_->Shutdown(absl::ToChronoTime(absl::Now()));
  ClientCall call;
  call.context.AddMetadata("authorization", "Bearer good");
  const grpc::Status status = call.Run(channel_, kUnary);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("the token service"));
}

TEST_F(ForwardingTest, EachCallerHasALimit) {
  Build(2);
  const auto reason = [this](const char* authorization) {
    ClientCall call;
    if (*authorization != '\0') call.context.AddMetadata("authorization", authorization);
    return ErrorInfoIn(call.Run(channel_, kUnary)).reason();
  };
  for (const char* authorization : {"Bearer good", ""}) {
    EXPECT_EQ(reason(authorization), "");
    EXPECT_EQ(reason(authorization), "");
    EXPECT_EQ(reason(authorization), "RATE_LIMITED");
  }
  // Counted by address, as nobody is.
  EXPECT_EQ(reason("Bearer unknown"), "RATE_LIMITED");
}

TEST_F(ForwardingTest, T2_GuessesAreLimitedByAddress) {
  Build(1000, 3);
  const auto run = [this](const std::string& key) {
    // A connection of its own: it is the address that counts.
    const auto channel = rpc::MakeChannel(absl::StrCat("127.0.0.1:", port_));
    ClientCall call;
    call.context.AddMetadata("authorization", "Bearer " + key);
    return call.Run(channel, kUnary);
  };
  EXPECT_TRUE(run("good").ok());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ErrorInfoIn(run(absl::StrCat("guess", i))).reason(), "CREDENTIAL_INVALID");
  }
  for (const char* key : {"guess", "also-good"}) {
    const grpc::Status status = run(key);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << key;
    EXPECT_EQ(ErrorInfoIn(status).reason(), "RATE_LIMITED") << key;
    google::rpc::Status proto;
    google::rpc::RetryInfo retry;
    ASSERT_TRUE(proto.ParseFromString(status.error_details()));
    ASSERT_EQ(proto.details_size(), 2);
    ASSERT_TRUE(proto.details(1).UnpackTo(&retry));
    EXPECT_EQ(retry.retry_delay().seconds(), 1);
  }
  EXPECT_EQ(credentials_.questions, 4);
  EXPECT_TRUE(run("good").ok());
}

TEST_F(ForwardingTest, ManyCallsAtOnce) {
  std::vector<std::unique_ptr<ClientCall>> calls;
  for (int i = 0; i < 200; ++i) {
    calls.push_back(std::make_unique<ClientCall>());
    calls.back()->context.AddMetadata("authorization", "Bearer good");
    calls.back()->Start(channel_, i % 2 == 0 ? kUnary : kEcho);
  }
  for (auto& call : calls) EXPECT_TRUE(call->Write("message"));
  for (size_t i = 0; i < calls.size(); ++i) {
    if (i % 3 == 0) calls[i]->context.TryCancel();
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    calls[i]->WritesDone();
    while (calls[i]->Read()) {
    }
    // One that is cancelled may be too far on.
    const grpc::Status status = calls[i]->Finish();
    EXPECT_TRUE(status.ok() || (i % 3 == 0 && status.error_code() == grpc::StatusCode::CANCELLED))
        << i << ": " << status.error_code() << " " << status.error_message();
  }
}

}  // namespace
}  // namespace parley::gateway
