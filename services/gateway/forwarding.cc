#include "services/gateway/forwarding.h"

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/rpc/call.h"
#include "common/rpc/grpc_status.h"
#include "common/status/status.h"
#include "services/gateway/call_id.h"
#include "services/gateway/credentials.h"
#include "services/gateway/metadata.h"

namespace parley::gateway {
namespace {

// Far beyond what anybody means is how gRPC says that there is no deadline.
constexpr absl::Duration kLongestDeadline = absl::Hours(24);

constexpr absl::Duration kLookForStuck = absl::Seconds(1);
constexpr char kSelf[] = "the gateway";

// By whom a call without a good credential is counted: the address, without the port.
std::string PeerOf(const grpc::CallbackServerContext& context) {
  const std::string peer = context.peer();
  // `ipv4:192.0.2.1:443`, `ipv6:%5B2001:db8::1%5D:443`
  if (absl::StartsWith(peer, "ipv")) {
    const size_t colon = peer.find(':') + 1;
    return CallerAt(absl::StrReplaceAll(peer.substr(colon, peer.rfind(':') - colon),
                                        {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}}));
  }
  if (absl::StartsWith(peer, "unix")) return CallerAt(peer);
  // From within the process: it came by HTTP.
  const auto client = context.client_metadata().find(kClientMetadata);
  return CallerAt(client == context.client_metadata().end()
                      ? std::string_view()
                      : std::string_view(client->second.data(), client->second.size()));
}

// What each connection says for itself, or the gateway alone may say.
bool IsOwn(std::string_view key) {
  return key.starts_with("parley-") || key.starts_with("grpc-") || key.starts_with(":") || key == "authorization" ||
         key == "user-agent" || key == "host" || key == "te" || key == "content-type";
}

template <class Add>
void CopyMetadata(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata, const Add& add) {
  for (const auto& [key, value] : metadata) {
    const std::string name(key.data(), key.size());
    std::string text(value.data(), value.size());
    if (!IsOwn(name) && IsLegal(name, text)) add(name, text);
  }
}

}  // namespace

// One call: the caller's side of it, and within it the upstream's. Of a stream each message is read only after the one
// before was written; a unary call's request is read first, and all that follows is one operation of gRPC's on either
// side. Lives until gRPC is done with both sides.
class Forwarding::Call final : public grpc::ServerGenericBidiReactor {
 public:
  Call(Forwarding& gateway, grpc::GenericCallbackServerContext& context)
      : gateway_(gateway),
        context_(context),
        is_unary_(gateway.upstreams_.IsUnary(context.method())),
        is_stream_(gateway.upstreams_.IsStream(context.method())) {}

  void Begin() {
    context_.AddInitialMetadata(rpc::kCallIdMetadata, call_id_);
    upstream_ = gateway_.upstreams_.Find(context_.method());
    if (upstream_ == nullptr) return RefuseCounted(absl::UnimplementedError("there is no such method"));
    const auto presented = PresentedIn(context_.client_metadata());
    if (!presented.ok()) return RefuseCounted(presented.status());
    if (!*presented) return Admit(rpc::Principal{}, PeerOf(context_));
    const std::string peer = PeerOf(context_);
    gateway_.authenticator_.Authenticate(**presented, peer, call_id_, [this](const Authenticator::Answer& principal) {
      if (principal.ok()) return Admit(*principal, principal->credential_id.ToBytes());
      // Where the token service is away or busy, or was not asked, nobody has tried anything.
      const absl::StatusCode code = principal.status().code();
      const bool is_known = code != absl::StatusCode::kUnavailable && code != absl::StatusCode::kResourceExhausted;
      return is_known ? RefuseCounted(principal.status()) : Refuse(principal.status());
    });
  }

  // The caller's side.

  void OnReadDone(bool ok) override {
    if (is_unary_) return ok ? ForwardRequest() : RefuseWithoutRequest();
    absl::MutexLock lock(&mutex_);
    if (!is_writing_) return;
    if (ok) return upstream_side_.StartWrite(&request_);
    if (context_.IsCancelled()) {
      upstream_context_->TryCancel();
    } else {
      upstream_side_.StartWritesDone();
    }
    EndWriting();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    waiting_since_ = absl::InfiniteFuture();
    if (ok) return upstream_side_.StartRead(&response_);
    upstream_context_->TryCancel();
    EndWriting();
    EndReading();
  }

  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    if (upstream_context_) upstream_context_->TryCancel();
  }

  void OnDone() override {
    if (is_joined_) gateway_.Leave(*this);
    Release();
  }

  // Gives it up where its caller has not taken what was written to it before, or not sent the request.
  void GiveUpIfStuck(absl::Time before) {
    absl::MutexLock lock(&mutex_);
    if (waiting_since_ < before) context_.TryCancel();
  }

  // Ends it because the gateway is stopping, unless it is a unary call that goes on.
  void Drain() {
    absl::MutexLock lock(&mutex_);
    if (is_unary_) {
      // With its request it ends by itself.
      if (waiting_since_ != absl::InfiniteFuture()) context_.TryCancel();
      return;
    }
    is_draining_ = true;
    if (upstream_context_) upstream_context_->TryCancel();
  }

 private:
  class UpstreamSide final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    explicit UpstreamSide(Call& call) : call_(call) {}
    void OnReadInitialMetadataDone(bool ok) override { call_.OnUpstreamMetadata(ok); }
    void OnReadDone(bool ok) override { call_.OnUpstreamRead(ok); }
    void OnWriteDone(bool ok) override { call_.OnUpstreamWritten(ok); }
    void OnDone(const grpc::Status& status) override { call_.OnUpstreamDone(status); }

   private:
    Call& call_;
  };

  void SetWaiting(absl::Time since) {
    absl::MutexLock lock(&mutex_);
    waiting_since_ = since;
  }

  void RefuseWithoutRequest() {
    if (context_.IsCancelled()) return Refuse(absl::CancelledError("the caller has gone"));
    Refuse(BadField("request", "is required: the call ended without a message"));
  }

  // Ends a call that was not forwarded.
  void Refuse(const absl::Status& status) {
    LogEnd(status.code());
    Finish(rpc::ToGrpc(status, call_id_));
  }

  // Counts what was refused against the peer, after the fact: a bad key has been asked about by then.
  void RefuseCounted(const absl::Status& status) {
    const absl::Status limit = gateway_.limiter_.Take(PeerOf(context_));
    Refuse(limit.ok() ? status : limit);
  }

  void Admit(const rpc::Principal& principal, const std::string& caller) {
    if (principal.kind == rpc::Principal::Kind::kUser) user_ = principal.user_id.ToString();
    const absl::Status limit = gateway_.limiter_.Take(caller);
    if (!limit.ok()) return Refuse(limit);
    Forward(principal);
  }

  void Forward(const rpc::Principal& principal) {
    const std::string& method = context_.method();
    const bool is_endless = absl::FromChrono(context_.deadline()) > absl::Now() + kLongestDeadline;
    // Of a unary call without a deadline the request may never come.
    const bool joins = is_stream_ || (is_unary_ && is_endless);
    is_joined_ = joins && gateway_.Join(*this);
    if (joins && !is_joined_) return Refuse(Stopping(kSelf));
    CopyMetadata(context_.client_metadata(), [this](const std::string& key, const std::string& value) {
      upstream_context_->AddMetadata(key, value);
    });
    const absl::Time now = absl::Now();
    upstream_context_->AddMetadata(rpc::kPrincipalMetadata, gateway_.signer_.Sign(principal, method, now));
    upstream_context_->AddMetadata(rpc::kCallIdMetadata, call_id_);
    if (!is_endless) {
      upstream_context_->set_deadline(context_.deadline());
    } else if (!is_stream_) {
      upstream_context_->set_deadline(absl::ToChronoTime(now + gateway_.default_deadline_));
    }
    if (is_unary_) {
      SetWaiting(now);
      return StartRead(&request_);
    }

    sides_.fetch_add(1, std::memory_order_relaxed);
    upstream_->Stub().PrepareBidiStreamingCall(&*upstream_context_, method, {}, &upstream_side_);
    // One until the last write and one until the last read, as the caller's side starts both.
    upstream_side_.AddMultipleHolds(2);
    upstream_side_.StartRead(&response_);
    StartRead(&request_);
    // Last: from here on the call may end at any time.
    upstream_side_.StartCall();
  }

  // A unary call's.
  void ForwardRequest() {
    SetWaiting(absl::InfiniteFuture());
    sides_.fetch_add(1, std::memory_order_relaxed);
    upstream_->Stub().UnaryCall(&*upstream_context_, context_.method(), {}, &request_, &response_,
                                [this](const grpc::Status& status) { OnUpstreamDone(status); });
  }

  // The upstream's side.

  void OnUpstreamMetadata(bool ok) {
    if (!ok) return;
    absl::MutexLock lock(&mutex_);
    if (CopyInitialMetadata()) StartSendInitialMetadata();
  }

  void OnUpstreamRead(bool ok) {
    absl::MutexLock lock(&mutex_);
    if (ok) {
      CopyInitialMetadata();
      waiting_since_ = absl::Now();
      return StartWrite(&response_);
    }
    EndWriting();
    EndReading();
  }

  void OnUpstreamWritten(bool ok) {
    absl::MutexLock lock(&mutex_);
    if (!is_writing_) return;
    if (ok) return StartRead(&request_);
    EndWriting();
  }

  // After all other reactions of the upstream's side.
  void OnUpstreamDone(const grpc::Status& status) {
    CopyInitialMetadata();
    CopyMetadata(
        upstream_context_->GetServerTrailingMetadata(),
        [this](const std::string& key, const std::string& value) { context_.AddTrailingMetadata(key, value); });
    // Made by gRPC, because the service is away, or has ended while the call went on.
    const bool is_away = status.error_details().empty() &&
                         (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                          (status.error_code() == grpc::StatusCode::CANCELLED && !context_.IsCancelled()));
    grpc::Status shown = is_away ? rpc::ToGrpc(Unavailable(upstream_->name()), call_id_) : status;
    {
      // It holds the channel, which must not be closed from here: when the last call ends, so may the process.
      absl::MutexLock lock(&mutex_);
      upstream_context_.reset();
      if (is_draining_ && status.error_code() == grpc::StatusCode::CANCELLED) {
        shown = rpc::ToGrpc(Stopping(kSelf), call_id_);
      }
    }
    LogEnd(static_cast<absl::StatusCode>(shown.error_code()));
    if (is_unary_ && shown.ok() && response_.Valid()) {
      // Together with the metadata before it.
      StartWriteAndFinish(&response_, {}, shown);
    } else {
      Finish(shown);
    }
    Release();
  }

  // Whether it was not copied before: it can be sent once.
  bool CopyInitialMetadata() {
    if (std::exchange(has_initial_metadata_, true)) return false;
    CopyMetadata(upstream_context_->GetServerInitialMetadata(),
                 [this](const std::string& key, const std::string& value) { context_.AddInitialMetadata(key, value); });
    return true;
  }

  void EndWriting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(is_writing_, false)) upstream_side_.RemoveHold();
  }

  void EndReading() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(is_reading_, false)) upstream_side_.RemoveHold();
  }

  void LogEnd(absl::StatusCode code) const {
    if (!LogEnabled(LogLevel::kInfo)) return;
    // What is not a method's path may be anything.
    const std::string_view method = ServiceOf(context_.method()).empty() ? std::string_view() : context_.method();
    Log(LogLevel::kInfo, "call",
        {{"call_id", call_id_},
         {"method", method.substr(0, 200)},
         {"code", absl::StatusCodeToString(code)},
         {"duration_us", absl::ToInt64Microseconds(absl::Now() - start_)},
         {"user", user_}});
  }

  void Release() {
    if (sides_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  Forwarding& gateway_;
  grpc::GenericCallbackServerContext& context_;
  const bool is_unary_;   // surely: it may be even where this is false
  const bool is_stream_;  // surely, as well
  const std::string call_id_ = MakeCallId();
  const absl::Time start_ = absl::Now();
  std::string user_;
  bool is_joined_ = false;
  const Upstream* upstream_ = nullptr;

  std::optional<grpc::ClientContext> upstream_context_{std::in_place};
  UpstreamSide upstream_side_{*this};
  std::atomic<int> sides_ = 1;  // that gRPC is not done with
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  bool has_initial_metadata_ = false;  // the upstream's

  // Both sides' reactions run at once. What they start never runs within the call that starts it.
  absl::Mutex mutex_;
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = true;  // requests may still go upstream
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time waiting_since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();  // for the caller
  bool is_reading_ ABSL_GUARDED_BY(mutex_) = true;                             // responses may still be read from there
};

bool Forwarding::Join(Call& stream) {
  absl::MutexLock lock(&mutex_);
  if (!is_draining_) streams_.insert(&stream);
  return !is_draining_;
}

void Forwarding::Leave(Call& stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(&stream);
}

void Forwarding::Drain() {
  absl::MutexLock lock(&mutex_);
  is_draining_ = true;
  for (Call* stream : streams_) stream->Drain();
}

absl::Duration Forwarding::GiveUpStuck() {
  const absl::Time before = absl::Now() - slow_reader_;
  absl::MutexLock lock(&mutex_);
  for (Call* stream : streams_) stream->GiveUpIfStuck(before);
  return kLookForStuck;
}

grpc::ServerGenericBidiReactor* Forwarding::CreateReactor(grpc::GenericCallbackServerContext* context) {
  auto* call = new Call(*this, *context);
  call->Begin();
  return call;
}

}  // namespace parley::gateway
