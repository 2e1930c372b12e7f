#include "common/data/schema.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::data {
namespace {

using test::Succeeds;
using test::TestDatabase;

absl::Status Check(const std::string& url) {
  Pool pool(url, 1);
  return CheckSchema(pool, absl::Now() + absl::Seconds(10));
}

TEST(SchemaTest, MigratingTwiceChangesNothing) {
  TestDatabase database(TestDatabase::Schema::kNone);
  ASSERT_OK_AND_ASSIGN(const auto first, Migrate(database.owner_url()));
  EXPECT_EQ(static_cast<int>(first.size()), SchemaVersion());
  ASSERT_OK_AND_ASSIGN(const auto second, Migrate(database.owner_url()));
  EXPECT_TRUE(second.empty());
}

TEST(SchemaTest, ManyMayMigrateAtOnce) {
  TestDatabase database(TestDatabase::Schema::kNone);
  std::vector<absl::StatusOr<std::vector<std::string>>> results(4, absl::UnknownError(""));
  std::vector<std::thread> threads;
  for (auto& result : results) threads.emplace_back([&] { result = Migrate(database.owner_url()); });
  for (auto& thread : threads) thread.join();
  size_t applied = 0;
  for (const auto& result : results) {
    ASSERT_THAT(result, Succeeds());
    applied += result->size();
  }
  EXPECT_EQ(static_cast<int>(applied), SchemaVersion());
}

TEST(SchemaTest, NotServingBelowTheVersionNeeded) {
  TestDatabase none(TestDatabase::Schema::kNone);
  EXPECT_EQ(Check(none.service_url()).code(), absl::StatusCode::kUnavailable);
  TestDatabase database;
  EXPECT_THAT(Check(database.service_url()), Succeeds());
  database.Sql("delete from parley.schema_migrations");
  EXPECT_EQ(Check(database.service_url()).code(), absl::StatusCode::kUnavailable);
}

TEST(SchemaTest, L3_NoServiceRunsAsARoleThatMayAlterTheLog) {
  TestDatabase database;
  EXPECT_EQ(Check(database.owner_url()).code(), absl::StatusCode::kFailedPrecondition) << "the owner";
  for (const char* grant :
       {"grant update on parley.log_entries to parley_service",
        "grant update (data) on parley.log_entries to parley_service",
        "grant delete on parley.log_entries to parley_service",
        "grant truncate on parley.log_entries to parley_service", "grant update on parley.log_leaves to parley_service",
        "grant delete on parley.log_nodes to parley_service"}) {
    TestDatabase granted;
    granted.Sql(grant);
    EXPECT_EQ(Check(granted.service_url()).code(), absl::StatusCode::kFailedPrecondition) << grant;
  }
}

TEST(SchemaTest, L3_TheServicesRoleCannotChangeTheLog) {
  TestDatabase database;
  ASSERT_OK_AND_ASSIGN(const auto connection, Connection::Open(database.service_url()));
  for (const char* sql :
       {"update log_entries set revision = 0", "delete from log_entries", "truncate log_entries",
        "drop table log_entries", "alter table log_entries disable trigger all", "delete from events",
        "update log_leaves set leaf_index = 0", "delete from log_leaves", "update log_nodes set position = 0",
        "delete from log_nodes", "update log_tree set origin = 'x'", "delete from log_tree"}) {
    EXPECT_EQ(connection->Script(sql).status().code(), absl::StatusCode::kInternal) << sql;
    EXPECT_THAT(connection->Script(sql).status().message(), testing::HasSubstr("42501")) << sql;
  }
  EXPECT_THAT(connection->Script("select count(*) from log_entries").status(), Succeeds());
}

}  // namespace
}  // namespace parley::data
