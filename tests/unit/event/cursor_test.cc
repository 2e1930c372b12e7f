#include "services/event/cursor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::event {
namespace {

TEST(CursorTest, IsReadBackAsItWasWritten) {
  const std::string hash = "\x01\x23\x45\x67\x89\xab\xcd\xef and more";
  EXPECT_EQ(Encode(Cursor()), "0-");
  EXPECT_EQ(Encode(Cursor::Behind(0, hash)), "1-0123456789abcdef");
  EXPECT_EQ(Encode(Cursor::Behind(999, hash)), "1000-0123456789abcdef");
  for (const Cursor& cursor : {Cursor(), Cursor::Behind(0, hash), Cursor::Behind(123456789012345, hash)}) {
    const auto read = DecodeCursor(Encode(cursor));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->position, cursor.position);
    EXPECT_EQ(read->last_hash, cursor.last_hash);
  }
}

TEST(CursorTest, NothingElseIsOne) {
  for (const char* text : {"", "-", "0", "1", "1-", "0-0123456789abcdef", "1-0123456789abcde", "1-0123456789abcdef0",
                           "1-0123456789ABCDEF", "1-0123456789abcdeg", "01-0123456789abcdef", "+1-0123456789abcdef",
                           "-1-0123456789abcdef", " 1-0123456789abcdef", "1-0123456789abcdef ",
                           "9999999999999999999-0123456789abcdef", "1--0123456789abcdef", "x-0123456789abcdef"}) {
    EXPECT_FALSE(DecodeCursor(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace parley::event
