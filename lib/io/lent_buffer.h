#pragma once

// How a read that names a group of buffers comes to one, and what becomes of it at the end.
//
// Thread safety: one thread at a time for each request.

#include "nacre/io.h"
#include "nacre/result.h"

namespace nacre {

/// Gives `request`, which wants a buffer, one from its group's list.
/// Errors: `busy` when none is free, `invalid_argument` when another backend lends them.
Status lend_buffer(IoRequest& request);

/// Gives `request` the buffer `index`, which the kernel has taken for it.
void take_lent_buffer(IoRequest& request, std::size_t index);

/// When `operation` has ended: its buffer holds what was read, and goes back after a failure.
void settle_lent_buffer(IoOperation& operation) noexcept;

/// `busy`, for a read that found none.
Error no_buffer_free(const IoRequest& request);

}  // namespace nacre
