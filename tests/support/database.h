// A database of its own for a test, on the real PostgreSQL that tests/run starts: migrated, empty, dropped at the end.
#pragma once

#include <string>

namespace parley::test {

class TestDatabase {
 public:
  // Ends the test program with a message where PARLEY_TEST_OWNER_URL and PARLEY_TEST_SERVICE_URL are not set.
  enum class Schema { kMigrated, kNone };
  explicit TestDatabase(Schema schema = Schema::kMigrated);
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  // As parley_owner, who may do everything in this database.
  const std::string& owner_url() const { return owner_url_; }
  // As parley_service.
  const std::string& service_url() const { return service_url_; }
  // Runs SQL as the owner; aborts where it fails. Answers with the first column of the first row, as text.
  std::string Sql(const std::string& sql) const;

 private:
  std::string name_;
  std::string owner_url_;
  std::string service_url_;
};

}  // namespace parley::test
