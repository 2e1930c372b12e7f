// What an event's title may be (domain rule E4).
#pragma once

#include <string>
#include <string_view>

namespace parley {

// Why it cannot be a title, for FieldViolations::Add; empty where it can. `title` is valid UTF-8.
std::string TitleViolation(std::string_view title);

}  // namespace parley
