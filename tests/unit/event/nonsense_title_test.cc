#include "services/event/nonsense_title.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/random/random.h"
#include "common/title/title.h"

namespace parley::event {
namespace {

TEST(NonsenseTitleTest, E4_IsPronounceable) {
  absl::BitGen random;
  for (int i = 0; i < 1000; ++i) {
    const std::string title = NonsenseTitle(random);
    ASSERT_EQ(title.size(), 5u);
    EXPECT_EQ(std::set<char>(title.begin(), title.end()).size(), 5u) << title;
    auto is_vowel = [](char c) { return std::string("aeiou").find(c) != std::string::npos; };
    for (size_t j = 1; j < title.size(); ++j) EXPECT_NE(is_vowel(title[j - 1]), is_vowel(title[j])) << title;
    EXPECT_EQ(TitleViolation(title), "");
  }
}

}  // namespace
}  // namespace parley::event
