#include "common/data/key.h"

#include <gtest/gtest.h>

namespace parley::data {
namespace {

TEST(KeyTest, T2_RandomAndRecognisable) {
  const std::string key = MakeKey(kGuestKeyPrefix);
  EXPECT_TRUE(IsKey(key, kGuestKeyPrefix)) << key;
  EXPECT_FALSE(IsKey(key, kApiKeyPrefix));
  EXPECT_GE((key.size() - kGuestKeyPrefix.size()) * 4, 160u) << "bits";
  EXPECT_NE(key, MakeKey(kGuestKeyPrefix));
}

TEST(KeyTest, WhatIsNoKey) {
  const std::string digits(40, 'a');
  for (const std::string& text : {std::string(), std::string("parley_api_"), digits, "parley_api_" + digits + "a",
                                  "parley_api_" + std::string(40, 'A'), "parley_api_" + std::string(40, ' ')}) {
    EXPECT_FALSE(IsKey(text, kApiKeyPrefix)) << text;
  }
}

TEST(KeyTest, T2_OnlyAHashIsKept) {
  // SHA-256 of "abc": FIPS 180-4's example.
  EXPECT_EQ(HashKey("abc").substr(0, 4), std::string("\xba\x78\x16\xbf"));
  EXPECT_EQ(HashKey("abc").size(), 32u);
}

}  // namespace
}  // namespace parley::data
