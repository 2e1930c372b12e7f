#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/health_check_service_interface.h>

#include <deque>
#include <filesystem>
#include <thread>

#include "common/data/key.h"
#include "services/parleyctl/commands.h"
#include "tests/integration/token/token_test.h"

namespace parley::token {
namespace {

using test::Fails;
using test::Succeeds;
using ::testing::HasSubstr;

class ParleyctlTest : public TokenTest {};

TEST_F(ParleyctlTest, U5_TheFirstStaffUserAndKeyAreMadeByTheAdministratorsCommand) {
  ASSERT_OK_AND_ASSIGN(const std::string key, ctl::CreateStaff(database.service_url(), "Staff@Example.com"));
  ASSERT_OK_AND_ASSIGN(const auto found, Check(key));
  EXPECT_EQ(found.role(), v1::User::STAFF);
  EXPECT_EQ(found.state(), v1::User::ACTIVE);
  EXPECT_EQ(database.Sql("select local_part || '@' || domain from users"), "Staff@example.com");
}

TEST_F(ParleyctlTest, U5_WhoeverIsThereBecomesStaff) {
  const data::User inactive = MakeInactiveUser("inactive@example.com");
  const data::User member = MakeUser("member@example.com");
  const data::User staff = MakeUser("staff@example.com", v1::User::STAFF);
  for (const data::User& user : {inactive, member, staff}) {
    ASSERT_OK_AND_ASSIGN(const std::string key, ctl::CreateStaff(database.service_url(), user.address.ToString()));
    ASSERT_OK_AND_ASSIGN(const auto found, Check(key));
    EXPECT_EQ(found.user_id(), user.id.ToBytes());
    EXPECT_EQ(found.role(), v1::User::STAFF);
    EXPECT_EQ(found.state(), v1::User::ACTIVE);
  }
}

TEST_F(ParleyctlTest, EachKeyIsAnotherAndTheEarlierOnesHold) {
  ASSERT_OK_AND_ASSIGN(const std::string first, ctl::CreateStaff(database.service_url(), "staff@example.com"));
  ASSERT_OK_AND_ASSIGN(const std::string second, ctl::CreateStaff(database.service_url(), "staff@example.com"));
  EXPECT_NE(first, second);
  EXPECT_EQ(Check(first)->user_id(), Check(second)->user_id());
}

TEST_F(ParleyctlTest, WhatIsNoAddressIsRefused) {
  EXPECT_EQ(ctl::CreateStaff(database.service_url(), "staff").status().code(), kInvalidArgument);
  EXPECT_EQ(database.Sql("select count(*)::text from users"), "0");
}

TEST(ParleyctlWithoutSchemaTest, SaysWhatToDo) {
  const test::TestDatabase empty(test::TestDatabase::Schema::kNone);
  const auto key = ctl::CreateStaff(empty.service_url(), "staff@example.com");
  EXPECT_EQ(key.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(key.status().message()), HasSubstr("parleyctl migrate"));
}

// ---- health

class HealthTest : public ::testing::Test {
 protected:
  HealthTest() { std::filesystem::create_directory(folder); }
  ~HealthTest() override { std::filesystem::remove_all(folder); }

  std::unique_ptr<grpc::Server> Start(bool serving) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    // gRPC starts no server without a service.
    builder.RegisterCallbackGenericService(&services.emplace_back());
    auto server = builder.BuildAndStart();
    server->GetHealthCheckService()->SetServingStatus("", serving);
    return server;
  }

  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("parley-" + Uuid::TimeOrdered().ToString());
  std::deque<grpc::CallbackGenericService> services;  // each of one server
  const std::string address = "unix:" + (folder / "health.sock").string();
};

TEST_F(HealthTest, ServingIsTold) {
  const auto server = Start(true);
  EXPECT_THAT(ctl::AwaitServing(address, absl::Minutes(1)), Succeeds());
}

TEST_F(HealthTest, WaitsForAProcessThatStartsAndBecomesReady) {
  absl::Status status = absl::UnknownError("");
  std::thread waiting([&] { status = ctl::AwaitServing(address, absl::Minutes(1)); });
  {
    // One that goes away again.
    const auto server = Start(false);
    server->Shutdown(std::chrono::system_clock::now());
  }
  const auto server = Start(false);
  server->GetHealthCheckService()->SetServingStatus("", true);
  waiting.join();
  EXPECT_THAT(status, Succeeds());
}

TEST_F(HealthTest, NotServingAndNobodyThereAreErrors) {
  EXPECT_EQ(ctl::AwaitServing(address, absl::Milliseconds(1)).code(), absl::StatusCode::kUnavailable);
  const auto server = Start(false);
  EXPECT_EQ(ctl::AwaitServing(address, absl::Milliseconds(1)).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace parley::token
