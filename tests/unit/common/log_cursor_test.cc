#include "common/data/log_cursor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::data {
namespace {

TEST(LogCursorTest, IsReadBackAsItWasWritten) {
  const std::string hash = "\x01\x23\x45\x67\x89\xab\xcd\xef and more";
  EXPECT_EQ(Encode(LogCursor()), "0-");
  EXPECT_EQ(Encode(LogCursor::Behind(0, hash)), "1-0123456789abcdef");
  EXPECT_EQ(Encode(LogCursor::Behind(999, hash)), "1000-0123456789abcdef");
  for (const LogCursor& cursor : {LogCursor(), LogCursor::Behind(0, hash), LogCursor::Behind(123456789012345, hash)}) {
    const auto read = DecodeLogCursor(Encode(cursor));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->position, cursor.position);
    EXPECT_EQ(read->last_hash, cursor.last_hash);
  }
}

TEST(LogCursorTest, NothingElseIsOne) {
  for (const char* text : {"", "-", "0", "1", "1-", "0-0123456789abcdef", "1-0123456789abcde", "1-0123456789abcdef0",
                           "1-0123456789ABCDEF", "1-0123456789abcdeg", "01-0123456789abcdef", "+1-0123456789abcdef",
                           "-1-0123456789abcdef", " 1-0123456789abcdef", "1-0123456789abcdef ",
                           "9999999999999999999-0123456789abcdef", "1--0123456789abcdef", "x-0123456789abcdef"}) {
    EXPECT_FALSE(DecodeLogCursor(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace parley::data
