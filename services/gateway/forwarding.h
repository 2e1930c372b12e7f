// Takes every call that no service of this process answers, and forwards it as bytes to the service that its package
// names (design decision 3): messages both ways, half-close, cancellation, deadline, metadata, trailers and status.
// What it adds is the signed principal; what a client sends in its place is not passed on. Thread-safe.
#pragma once

#include <grpcpp/generic/async_generic_service.h>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/data/chore.h"
#include "common/rpc/limiter.h"
#include "common/rpc/principal.h"
#include "services/gateway/authenticator.h"
#include "services/gateway/upstreams.h"

namespace parley::gateway {

class Forwarding final : public grpc::CallbackGenericService {
 public:
  // `default_deadline` is that of unary calls that bring none; streams may do without. A stream whose reader takes
  // nothing for as long as `slow_reader` is given up: services end theirs earlier. All must outlive the server.
  Forwarding(const Upstreams& upstreams, const rpc::Signer& signer, Authenticator& authenticator, rpc::Limiter& limiter,
             absl::Duration default_deadline, absl::Duration slow_reader)
      : upstreams_(upstreams),
        signer_(signer),
        authenticator_(authenticator),
        limiter_(limiter),
        default_deadline_(default_deadline),
        slow_reader_(slow_reader) {
    chore_.Start();
  }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;

  // Ends all streams with UNAVAILABLE, and those that still begin.
  void Drain();

 private:
  class Call;
  // False where no more streams are taken.
  bool Join(Call& stream);
  void Leave(Call& stream);
  // Gives up streams whose readers take nothing, and unary calls whose requests do not come.
  absl::Duration GiveUpStuck();

  const Upstreams& upstreams_;
  const rpc::Signer& signer_;
  Authenticator& authenticator_;
  rpc::Limiter& limiter_;
  const absl::Duration default_deadline_;
  const absl::Duration slow_reader_;

  absl::Mutex mutex_;
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
  // That are forwarded, and unary calls without a deadline.
  absl::flat_hash_set<Call*> streams_ ABSL_GUARDED_BY(mutex_);
  data::Chore chore_{[this] { return GiveUpStuck(); }};
};

}  // namespace parley::gateway
