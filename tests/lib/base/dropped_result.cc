// Compiled twice by ctest: as it stands it must compile; with DROP_RESULT it must not, because a
// dropped Result is a dropped error.

#include "nacre/result.h"

nacre::Status write_something();
nacre::Result<int> read_something();

int main() {
#if defined(DROP_RESULT)
  write_something();
#elif defined(DROP_RESULT_WITH_VALUE)
  read_something();
#else
  return write_something() && read_something() ? 0 : 1;
#endif
}
