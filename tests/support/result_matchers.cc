#include "tests/support/result_matchers.h"

namespace nacre {

void PrintTo(ErrorCode code, std::ostream* out) { *out << error_code_name(code); }
void PrintTo(const Error& error, std::ostream* out) { *out << error.to_string(); }

}  // namespace nacre
