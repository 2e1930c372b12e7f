#include "common/title/title.h"

#include <gtest/gtest.h>

namespace parley {
namespace {

std::string Repeat(const std::string& text, int times) {
  std::string repeated;
  for (int i = 0; i < times; ++i) repeated += text;
  return repeated;
}

TEST(TitleTest, E4_GoodTitles) {
  for (const std::string& title : {std::string("x"), std::string("Kick-off, Raum 3 – größer"), Repeat("ä", 256),
                                   std::string(" padded "), std::string("会议 🎉")}) {
    EXPECT_EQ(TitleViolation(title), "") << title;
  }
}

TEST(TitleTest, E4_BadTitles) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "must not be empty"},
      {" \u00a0\u3000", "must not be only spaces"},
      {Repeat("ä", 257), "must have at most 256 code points"},
      {"a\tb", "must not have control characters"},
      {"a\nb", "must not have control characters"},
      {"a\u007f", "must not have control characters"},
      {"a\u0085", "must not have control characters"},
      {"a\u202eb", "must not have control characters"},
      {"a\u2066b", "must not have control characters"},
      {"a\u200fb", "must not have control characters"},
      {"a\u2028b", "must not have line or paragraph separators"},
      {"a\u2029b", "must not have line or paragraph separators"},
  };
  for (const auto& [title, violation] : cases) EXPECT_EQ(TitleViolation(title), violation) << title;
}

}  // namespace
}  // namespace parley
