#pragma once

// The x86 routines, for the table in copy_routines.cc alone. Each may be called only on a CPU that
// has the instructions in its name.

#include "pmem/copy_routines.h"

#if defined(__x86_64__)

namespace nacre::pmem {

extern const CopyRoutines kAvx512Routines;
extern const CopyRoutines kAvx2Routines;
extern const CopyRoutines kSse2Routines;

}  // namespace nacre::pmem

#endif
