#pragma once

// What is wrong with a request, said the same way by every backend and scheduler.

#include "nacre/io.h"

namespace nacre {

/// `invalid_argument` when `request` lacks what its kind needs, or has what it cannot take.
Status check_request(const IoRequest& request);

/// `invalid_argument`: its file was made known to another backend.
Error foreign_file(const IoRequest& request);

/// `invalid_argument`: the buffers of its group are with another backend.
Error foreign_group(const IoRequest& request);

/// `cancelled`: by its caller.
Error cancelled_by_caller(const IoRequest& request);
/// `cancelled`: a step before it in its chain failed.
Error cancelled_by_chain(const IoRequest& request);

/// `timed_out`: its time was up before it had begun, or ended.
Error timed_out(const IoRequest& request);

/// Names the file (or path) and offset of `request`.
Error with_place(Error error, const IoRequest& request);

}  // namespace nacre
