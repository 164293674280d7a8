#pragma once

#include <string>
#include <string_view>

namespace fusor::sim {

// SHA-256 (FIPS 180-4) in lower-case hexadecimal digits.
std::string sha256(std::string_view text);

}  // namespace fusor::sim
