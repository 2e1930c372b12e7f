// What steps of a purge cost, for the tests of purges: counted, not timed.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "common/data/purge.h"
#include "tests/support/status_matchers.h"

namespace parley::test {

// Sees the database as it is now for as long as it lives, as an export or a copy of it does: what has gone since cannot
// be cleaned up.
class LongReader {
 public:
  explicit LongReader(data::Pool& pool) {
    static constexpr data::Statement kLook{"look", "select count(*) from users"};
    auto reader = data::Transaction::Begin(pool, absl::InfiniteFuture(), data::Isolation::kSnapshot);
    EXPECT_THAT(reader, Succeeds());
    reader_ = *std::move(reader);
    EXPECT_THAT(reader_->Execute(kLook), Succeeds());
  }

 private:
  std::unique_ptr<data::Transaction> reader_;
};

struct StepCost {
  int64_t purged = 0;
  int64_t rows = 0;    // of tables, that were looked at
  int64_t blocks = 0;  // of tables and indexes, each time that one was
};

// The steps that a process makes in its turn until one says that there is no more, each from where the one before
// ended.
inline std::vector<StepCost> CostOfSteps(
    data::Pool& pool, const std::function<absl::StatusOr<data::Purged>(data::Transaction&, absl::Time)>& run) {
  static constexpr data::Statement kSeen{"seen", R"(
    select (select sum(coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0))::int8 from pg_stat_xact_user_tables),
           (select sum(pg_stat_get_xact_blocks_fetched(oid))::int8 from pg_class
            where relnamespace = 'parley'::regnamespace and relkind in ('r', 'i')))"};
  std::vector<StepCost> costs;
  absl::Time from = absl::InfinitePast();
  bool more = false;
  do {
    const auto cost =
        data::Transact(pool, absl::InfiniteFuture(), [&](data::Transaction& tx) -> absl::StatusOr<StepCost> {
          PARLEY_ASSIGN_OR_RETURN(const auto before, tx.Execute(kSeen));
          PARLEY_ASSIGN_OR_RETURN(const auto purged, run(tx, from));
          PARLEY_ASSIGN_OR_RETURN(const auto seen, tx.Execute(kSeen));
          from = std::max(from, purged.last);
          more = purged.more;
          return StepCost{purged.rows, seen[0].GetInt(0) - before[0].GetInt(0),
                          seen[0].GetInt(1) - before[0].GetInt(1)};
        });
    EXPECT_THAT(cost, Succeeds());
    costs.push_back(cost.value_or(StepCost{}));
  } while (more);
  return costs;
}

// Fails the test where one full step costs more than a few looks at each of its rows, or a later one more than an
// earlier one.
inline void ExpectEqualCosts(const std::vector<StepCost>& costs, size_t full) {
  ASSERT_EQ(costs.size(), full + 1);
  for (size_t i = 0; i < full; ++i) {
    SCOPED_TRACE(absl::StrCat("step ", i, ": ", costs[i].rows, " rows, ", costs[i].blocks, " blocks"));
    EXPECT_EQ(costs[i].purged, data::kPurgeRows);
    EXPECT_GE(costs[i].rows, data::kPurgeRows) << "what is counted counts";
    EXPECT_LE(costs[i].rows, 8 * data::kPurgeRows);
    EXPECT_LE(static_cast<double>(costs[i].blocks), 1.3 * static_cast<double>(costs[0].blocks));
  }
}

}  // namespace parley::test
