#pragma once

// What a search says of a program under test, and of itself.

#include <string>
#include <string_view>

namespace nacre {

/// `difference`: what it did when it was run again, such as "passed where it had failed".
std::string not_deterministic_text(std::string_view difference);

/// Why states were left out: SearchPosition::is_cut.
std::string cut_choices_text();

}  // namespace nacre
