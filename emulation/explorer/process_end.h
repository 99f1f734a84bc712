#pragma once

// How a process that ran recovery ended.

#include <string>
#include <string_view>

#include "emulation/explorer/progress.h"

namespace nacre {

/// Such as "recovery".
std::string_view stage_name(ProgramStage stage) noexcept;

/// From here on this process ends, and `end` says kHung, when a call of the program under test
/// takes longer than once to twice `seconds` of its processor time. Lifetime: `progress` and `end`
/// stay.
void watch_for_hangs(const SearchProgress& progress, SearchEnd& end, double seconds);

/// This process, which has just been forked, ends when the one that forked it does.
void end_with_parent() noexcept;

/// Words for `status`, as waitpid gave it, of a process that did not end as it should.
std::string process_end_text(int status, const SearchProgress& progress, SearchEnd end,
                             double recovery_seconds);

}  // namespace nacre
