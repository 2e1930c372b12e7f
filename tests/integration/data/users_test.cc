#include "common/data/users.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"

namespace parley::data {
namespace {

using test::Fails;
using test::Succeeds;

absl::Time Soon() { return absl::Now() + absl::Seconds(60); }

TEST(UsersTest, U2_ManyThatNameOneNewAddressMakeOneUser) {
  test::TestDatabase database;
  Pool pool(database.service_url(), 8);
  const std::vector<Address> addresses{{"one", "example.org"}, {"Two", "example.org"}, {"three", "example.org"}};
  absl::Mutex mutex;
  std::set<Uuid> ids;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 5; ++j) {
        // Each thread names them in another order, and in another case.
        std::vector<Address> named = addresses;
        std::rotate(named.begin(), named.begin() + (i + j) % 3, named.end());
        if (i % 2 == 0) named[0].local_part = named[0].Key().substr(0, named[0].local_part.size());
        const auto users = Transact(pool, Soon(), [&](Transaction& tx) { return Users(tx).FindOrCreate(named); });
        ASSERT_THAT(users, Succeeds());
        absl::MutexLock lock(&mutex);
        for (const User& user : *users) {
          EXPECT_EQ(user.state, token::v1::User::INACTIVE);
          EXPECT_EQ(user.role, token::v1::User::MEMBER);
          ids.insert(user.id);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(database.Sql("select count(*) from parley.users"), "3");
}

TEST(UsersTest, U1_RegisteringActivatesOnce) {
  test::TestDatabase database;
  Pool pool(database.service_url(), 1);
  const Address address{"guest", "example.org"};
  auto register_guest = [&] {
    return Transact(pool, Soon(), [&](Transaction& tx) { return Users(tx).Register(address, token::v1::User::STAFF); });
  };
  ASSERT_THAT(Transact(pool, Soon(), [&](Transaction& tx) { return Users(tx).FindOrCreate({address}); }), Succeeds());
  ASSERT_OK_AND_ASSIGN(const User user, register_guest());
  EXPECT_TRUE(user.active());
  EXPECT_EQ(user.role, token::v1::User::STAFF);
  EXPECT_THAT(register_guest(), Fails(absl::StatusCode::kAlreadyExists, error::v1::ALREADY_EXISTS));
}

}  // namespace
}  // namespace parley::data
