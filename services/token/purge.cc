#include "services/token/purge.h"

#include "absl/time/clock.h"
#include "common/data/request_records.h"
#include "common/log/log.h"
#include "common/status/status.h"
#include "services/token/email_tokens.h"

namespace parley::token {

namespace {
constexpr absl::Duration kInterval = absl::Minutes(1);
constexpr absl::Duration kPause = absl::Milliseconds(100);
constexpr absl::Duration kStepTime = absl::Seconds(5);
}  // namespace

absl::StatusOr<int64_t> PurgeSome(data::Pool& pool) {
  return data::Transact(pool, absl::Now() + kStepTime, [](data::Transaction& tx) -> absl::StatusOr<int64_t> {
    PARLEY_ASSIGN_OR_RETURN(const int64_t email_tokens, EmailTokens(tx).Purge());
    PARLEY_ASSIGN_OR_RETURN(const int64_t records, data::RequestRecords(tx).Purge());
    return email_tokens + records;
  });
}

Purge::Purge(data::Pool& pool)
    : chore_([&pool] {
        const auto purged = PurgeSome(pool);
        if (!purged.ok()) {
          Log(LogLevel::kWarning, "cannot purge", {{"error", std::string(purged.status().message())}});
        } else if (*purged > 0) {
          Log(LogLevel::kInfo, "purged", {{"rows", *purged}});
        }
        return purged.ok() && *purged > 0 ? kPause : kInterval;
      }) {}

}  // namespace parley::token
