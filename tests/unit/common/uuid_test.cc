#include "common/data/uuid.h"

#include <gtest/gtest.h>

namespace parley {
namespace {

TEST(UuidTest, OrderedByTime) {
  const Uuid first = Uuid::TimeOrdered();
  EXPECT_EQ(first.bytes[6] >> 4, 7);
  EXPECT_EQ(first.bytes[8] >> 6, 2);
  EXPECT_EQ(Uuid::Parse(first.ToString()), first);
  EXPECT_EQ(Uuid::FromBytes(first.ToBytes()), first);
}

TEST(UuidTest, OneSpelling) {
  EXPECT_TRUE(Uuid::Parse("0190163d-8694-739b-aea5-966c26f8ad91"));
  for (const char* text : {"", "0190163D-8694-739b-aea5-966c26f8ad91", "0190163d8694739baea5966c26f8ad91",
                           "0190163d-8694-739b-aea5-966c26f8ad9", "0190163d-8694-739b-aea5-966c26f8ad911",
                           "0190163d-8694-739b-aea5-966c26f8ad9g", "0190163-d8694-739b-aea5-966c26f8ad91"}) {
    EXPECT_FALSE(Uuid::Parse(text)) << text;
  }
}

TEST(UuidTest, EarliestLiesBeforeAllOfItsTime) {
  const absl::Time before = absl::Now();
  const Uuid id = Uuid::TimeOrdered();
  EXPECT_LT(Uuid::Earliest(before), id);
  EXPECT_GT(Uuid::Earliest(absl::Now() + absl::Milliseconds(1)), id);
  EXPECT_TRUE(Uuid::Earliest(absl::InfinitePast()).IsNil());
  EXPECT_LT(id, Uuid::Earliest(absl::InfiniteFuture()));
}

}  // namespace
}  // namespace parley
