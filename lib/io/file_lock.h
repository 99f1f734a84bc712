#pragma once

// The lock of an open file: it belongs to the open file description, so that two opens conflict
// within one process as they do between two.

#include <fcntl.h>

namespace nacre {

/// Sets the lock `type` (F_WRLCK, F_UNLCK) on all of the file, without waiting. Returns what
/// fcntl(2) does.
inline int set_file_lock(int descriptor, short type) noexcept {
  struct flock whole_file{};
  whole_file.l_type = type;
  whole_file.l_whence = SEEK_SET;
  return ::fcntl(descriptor, F_OFD_SETLK, &whole_file);
}

}  // namespace nacre
