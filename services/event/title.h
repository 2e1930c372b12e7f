// Titles of events (domain rule E4).
#pragma once

#include <string>
#include <string_view>

#include "absl/random/bit_gen_ref.h"

namespace parley::event {

// Why it cannot be a title, for FieldViolations::Add; empty where it can. `title` is valid UTF-8.
std::string TitleViolation(std::string_view title);

// A pronounceable nonsense word of five letters: vowels and consonants in turn, no letter twice.
std::string NonsenseTitle(absl::BitGenRef random);

}  // namespace parley::event
