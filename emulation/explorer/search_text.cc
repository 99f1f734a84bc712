#include "emulation/explorer/search_text.h"

#include <fmt/format.h>

#include "emulation/explorer/progress.h"

namespace nacre {

std::string not_deterministic_text(std::string_view difference) {
  return fmt::format(
      "recovery is not deterministic: run again over the same bytes, it {}. Take the clock, random "
      "numbers, addresses and threads out of it, and what it keeps in memory",
      difference);
}

std::string cut_choices_text() {
  return fmt::format(
      "a recovery read open bytes in more than {} places, and of a process of its own the further "
      "ones are not known: states that differ there alone were left out. Test less at once, or "
      "without fork_each_state",
      SearchPosition::kMaxChoices);
}

}  // namespace nacre
