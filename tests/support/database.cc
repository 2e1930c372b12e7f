#include "tests/support/database.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "common/data/connection.h"
#include "common/data/schema.h"

namespace parley::test {
namespace {

std::string Environment(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr) {
    std::cerr << variable << " is not set: run the tests with tests/run\n";
    std::exit(1);
  }
  return value;
}

// The URL with another database: the path lies between the authority and the parameters.
std::string WithDatabase(const std::string& url, const std::string& name) {
  const size_t authority = url.find("://") + 3;
  const size_t parameters = url.find('?', authority);
  const size_t path = url.find('/', authority);
  return url.substr(0, path) + "/" + name + (parameters == std::string::npos ? "" : url.substr(parameters));
}

std::string RunSql(const std::string& url, const std::string& sql) {
  auto connection = data::Connection::Open(url);
  auto result = connection.ok() ? (*connection)->Script(sql) : connection.status();
  if (!result.ok()) {
    std::cerr << sql << ": " << result.status() << "\n";
    std::abort();
  }
  return result->empty() ? "" : std::string((*result)[0].GetText(0));
}

}  // namespace

TestDatabase::TestDatabase(Schema schema) {
  static std::atomic<int> count = 0;
  const std::string administration = Environment("PARLEY_TEST_OWNER_URL");
  name_ = absl::StrCat("parley_test_", getpid(), "_", count.fetch_add(1));
  RunSql(administration, "create database " + name_);
  owner_url_ = WithDatabase(administration, name_);
  service_url_ = WithDatabase(Environment("PARLEY_TEST_SERVICE_URL"), name_);
  if (schema == Schema::kNone) return;
  const auto migrated = data::Migrate(owner_url_);
  if (!migrated.ok()) {
    std::cerr << migrated.status() << "\n";
    std::abort();
  }
}

TestDatabase::~TestDatabase() {
  // Waits for sessions that are just ending; `force` would need the right to end those of parley_service.
  RunSql(Environment("PARLEY_TEST_OWNER_URL"), "drop database " + name_);
}

std::string TestDatabase::Sql(const std::string& sql) const { return RunSql(owner_url_, sql); }

}  // namespace parley::test
