// Titles of events that were given none (domain rule E4).
#pragma once

#include <string>

#include "absl/random/bit_gen_ref.h"

namespace parley::event {

// A pronounceable nonsense word of five letters: vowels and consonants in turn, no letter twice.
std::string NonsenseTitle(absl::BitGenRef random);

}  // namespace parley::event
