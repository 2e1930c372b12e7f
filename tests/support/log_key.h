// Keys that sign logs.
#pragma once

#include <string>

namespace parley::test {

// A new Ed25519 key, as `openssl genpkey -algorithm ed25519` makes it.
std::string MakeLogKey();

}  // namespace parley::test
