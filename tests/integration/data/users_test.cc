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

TEST(UsersTest, U2_TwoHundredThatNameOneNewAddressMakeOneUser) {
  test::TestDatabase database;
  Pool pool(database.service_url(), 30);
  std::vector<std::string> names(200);
  std::vector<std::thread> threads;
  for (std::string& name : names) {
    threads.emplace_back([&] {
      const auto users = Transact(pool, Soon(), [&](Transaction& tx) {
        return Users(tx).FindOrCreate({Address{"new", "example.org"}});
      });
      if (users.ok() && users->size() == 1) name = users->front().name();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(names.front(), "users/" + database.Sql("select user_id::text from parley.users"));
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 1u);
  EXPECT_EQ(database.Sql("select count(*) from parley.users"), "1");
}

// Whoever comes second waits for the first, and makes the user where the first one did not.
TEST(UsersTest, U2_WhoeverIsRolledBackHasNamedNobody) {
  test::TestDatabase database;
  Pool pool(database.service_url(), 2);
  const Address address{"new", "example.org"};
  auto first = Transaction::Begin(pool, Soon());
  ASSERT_THAT(first, Succeeds());
  ASSERT_OK_AND_ASSIGN(const auto made, Users(**first).FindOrCreate({address}));
  std::thread second([&] {
    const auto found = Transact(pool, Soon(), [&](Transaction& tx) { return Users(tx).FindOrCreate({address}); });
    ASSERT_THAT(found, Succeeds());
    ASSERT_EQ(found->size(), 1u);
    EXPECT_NE(found->front().id, made.front().id);
  });
  // pg_stat_activity tells of every session to which database it belongs, but only of one's own what it waits for.
  while (database.Sql("select count(*)::text from pg_locks join pg_stat_activity using (pid) "
                      "where not granted and datname = current_database()") != "1") {
  }
  first->reset();
  second.join();
  EXPECT_EQ(database.Sql("select count(*) from parley.users"), "1");
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
  database.Sql("update parley.users set state = 'DEACTIVATED'");
  EXPECT_THAT(register_guest(), Fails(absl::StatusCode::kAlreadyExists, error::v1::ALREADY_EXISTS));
  EXPECT_EQ(database.Sql("select state from parley.users"), "DEACTIVATED");
}

TEST(UsersTest, U1_TheEtagStandsForStateAndRole) {
  test::TestDatabase database;
  Pool pool(database.service_url(), 1);
  std::set<std::string> etags;
  for (const auto state : {token::v1::User::INACTIVE, token::v1::User::ACTIVE, token::v1::User::DEACTIVATED}) {
    for (const auto role : {token::v1::User::MEMBER, token::v1::User::STAFF}) {
      const auto saved = Transact(pool, Soon(), [&](Transaction& tx) -> absl::StatusOr<std::optional<User>> {
        Users users(tx);
        PARLEY_ASSIGN_OR_RETURN(const auto found, users.FindOrCreate({Address{"guest", "example.org"}}));
        PARLEY_RETURN_IF_ERROR(users.Save(found.front().id, state, role));
        return users.Lock(found.front().id);
      });
      ASSERT_THAT(saved, Succeeds());
      EXPECT_EQ((*saved)->state, state);
      EXPECT_EQ((*saved)->role, role);
      etags.insert((*saved)->etag());
    }
  }
  EXPECT_EQ(etags.size(), 6u);
  EXPECT_TRUE(etags.contains("2.1")) << "an active member";
}

TEST(UsersTest, ListsGoFromTheNewestToTheOldest) {
  test::TestDatabase database;
  Pool pool(database.service_url(), 1);
  std::vector<Uuid> ids;
  for (const char* local_part : {"one", "two", "three"}) {
    const auto made = Transact(pool, Soon(), [&](Transaction& tx) {
      return Users(tx).FindOrCreate({Address{local_part, "example.org"}});
    });
    ASSERT_THAT(made, Succeeds());
    ids.push_back(made->front().id);
  }
  auto list = [&](const std::optional<Uuid>& before, int limit) {
    const auto users = Transact(pool, Soon(), [&](Transaction& tx) { return Users(tx).List(before, limit); });
    EXPECT_THAT(users, Succeeds());
    std::vector<Uuid> listed;
    for (const User& user : *users) listed.push_back(user.id);
    return listed;
  };
  EXPECT_EQ(list(std::nullopt, 2), (std::vector{ids[2], ids[1]}));
  EXPECT_EQ(list(ids[1], 2), std::vector{ids[0]});
  EXPECT_EQ(list(ids[0], 2), std::vector<Uuid>{});
}

}  // namespace
}  // namespace parley::data
