#include "services/event/nonsense_title.h"

#include "absl/random/distributions.h"

namespace parley::event {

constexpr int kLetters = 5;

std::string NonsenseTitle(absl::BitGenRef random) {
  std::string kinds[] = {"bdfghjklmnprstvz", "aeiou"};
  std::string word;
  size_t kind = absl::Uniform<size_t>(random, 0, 2);
  while (word.size() < kLetters) {
    std::string& letters = kinds[kind];
    const size_t picked = absl::Uniform<size_t>(random, 0, letters.size());
    word.push_back(letters[picked]);
    letters.erase(picked, 1);
    kind = 1 - kind;
  }
  return word;
}

}  // namespace parley::event
