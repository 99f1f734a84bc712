#pragma once

// What a program sees of what it has done, durable or not: what a process that is killed leaves.

#include "emulation/simulation/persistence_model.h"

namespace nacre {

/// Makes of `bytes` what a program sees after the first `count` events of `trace`. `before` is what
/// was there before them; `bytes` may hold the work of some of these events already, as media do
/// of which a part is durable.
void make_visible(const Trace& trace, std::size_t count, const DefiniteBytes& before,
                  DefiniteBytes& bytes);

/// Whether the event changes what a program sees.
bool changes_what_is_visible(const Event& event) noexcept;

}  // namespace nacre
