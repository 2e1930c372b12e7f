// The token service for tests: its contract over gRPC, doing as it is told.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/data/key.h"
#include "common/rpc/grpc_status.h"
#include "common/rpc/principal.h"
#include "common/status/status.h"
#include "common/time/proto_time.h"
#include "parley/internal/token/v1/credential_service.grpc.pb.h"

namespace parley::notification {

namespace token_v1 = internal::token::v1;

class Tokens final : public token_v1::CredentialService::Service {
 public:
  explicit Tokens(const rpc::Signer& signer) : signer_(signer) { Start("127.0.0.1:0"); }

  void Start(const std::string& address) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  void Stop() { server_->Shutdown(); }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  using Refusals = token_v1::CreateEmailTokensResponse::Result;

  grpc::Status CreateEmailTokens(grpc::ServerContext* context, const token_v1::CreateEmailTokensRequest* request,
                                 token_v1::CreateEmailTokensResponse* response) override {
    if (!IsOurs(*context, "CreateEmailTokens")) return {grpc::StatusCode::UNAUTHENTICATED, ""};
    absl::MutexLock lock(&mutex_);
    if (create_code_ != grpc::StatusCode::OK) return {create_code_, ""};
    for (int i = 0; i < request->holders_size(); ++i) {
      auto& result = *response->add_results();
      result.set_refusal(refusal_);
      if (refusal_ != Refusals::REFUSAL_UNSPECIFIED) continue;
      const Uuid id = Uuid::TimeOrdered();
      result.set_email_token_id(id.ToBytes());
      result.set_key(data::MakeKey(data::kGuestKeyPrefix));
      ToProto(absl::Now() + absl::Hours(120), result.mutable_expire_time());
      keys_[id] = result.key();
    }
    return grpc::Status::OK;
  }

  grpc::Status RevokeEmailTokens(grpc::ServerContext* context, const token_v1::RevokeEmailTokensRequest* request,
                                 google::protobuf::Empty*) override {
    if (!IsOurs(*context, "RevokeEmailTokens")) return {grpc::StatusCode::UNAUTHENTICATED, ""};
    if (on_revoke) on_revoke();
    absl::MutexLock lock(&mutex_);
    if (revoke_code_ != grpc::StatusCode::OK) return {revoke_code_, ""};
    for (const std::string& id : request->email_token_ids()) revoked_.insert(*Uuid::FromBytes(id));
    return grpc::Status::OK;
  }

  grpc::Status FindEmailToken(grpc::ServerContext* context, const token_v1::FindEmailTokenRequest* request,
                              token_v1::FindEmailTokenResponse* response) override {
    if (!IsOurs(*context, "FindEmailToken")) return {grpc::StatusCode::UNAUTHENTICATED, ""};
    absl::MutexLock lock(&mutex_);
    ++found_;
    if (find_code_ != grpc::StatusCode::OK) return {find_code_, ""};
    const auto found = holders_.find(request->key_hash());
    if (found == holders_.end()) return {grpc::StatusCode::NOT_FOUND, ""};
    *response = found->second;
    return grpc::Status::OK;
  }

  // A key that FindEmailToken knows.
  std::string MakeKeyOf(const Uuid& event_id, const Uuid& user_id) {
    std::string key = data::MakeKey(data::kGuestKeyPrefix);
    absl::MutexLock lock(&mutex_);
    token_v1::FindEmailTokenResponse& holder = holders_[data::HashKey(key)];
    holder.set_event_id(event_id.ToBytes());
    holder.set_user_id(user_id.ToBytes());
    return key;
  }
  void FailCreate(grpc::StatusCode code) {
    absl::MutexLock lock(&mutex_);
    create_code_ = code;
  }
  // Makes none, of nobody.
  void Refuse(Refusals::Refusal refusal) {
    absl::MutexLock lock(&mutex_);
    refusal_ = refusal;
  }
  void FailFind(grpc::StatusCode code) {
    absl::MutexLock lock(&mutex_);
    find_code_ = code;
  }
  void FailRevoke(grpc::StatusCode code) {
    absl::MutexLock lock(&mutex_);
    revoke_code_ = code;
  }
  size_t made() {
    absl::MutexLock lock(&mutex_);
    return keys_.size();
  }
  // How often FindEmailToken was asked.
  int found() {
    absl::MutexLock lock(&mutex_);
    return found_;
  }
  // The keys that were not revoked.
  std::vector<std::string> LivingKeys() {
    absl::MutexLock lock(&mutex_);
    std::vector<std::string> keys;
    for (const auto& [id, key] : keys_) {
      if (!revoked_.contains(id)) keys.push_back(key);
    }
    return keys;
  }

  std::function<void()> on_revoke;  // set before anything is delivered

 private:
  bool IsOurs(const grpc::ServerContext& context, const std::string& method) {
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find(rpc::kPrincipalMetadata);
    if (found == metadata.end()) return false;
    const auto principal = signer_.Verify({found->second.data(), found->second.size()},
                                          "/parley.internal.token.v1.CredentialService/" + method, absl::Now());
    return principal.ok() && principal->service == "notification";
  }

  const rpc::Signer& signer_;
  int port_ = 0;
  absl::Mutex mutex_;
  grpc::StatusCode create_code_ ABSL_GUARDED_BY(mutex_) = grpc::StatusCode::OK;
  Refusals::Refusal refusal_ ABSL_GUARDED_BY(mutex_) = Refusals::REFUSAL_UNSPECIFIED;
  grpc::StatusCode find_code_ ABSL_GUARDED_BY(mutex_) = grpc::StatusCode::OK;
  grpc::StatusCode revoke_code_ ABSL_GUARDED_BY(mutex_) = grpc::StatusCode::OK;
  int found_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Uuid, std::string> keys_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, token_v1::FindEmailTokenResponse> holders_ ABSL_GUARDED_BY(mutex_);
  std::set<Uuid> revoked_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace parley::notification
