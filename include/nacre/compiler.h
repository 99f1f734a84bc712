#pragma once

// What nacre's headers need of a compiler, said in one line where it is missing, instead of in the
// many errors that would follow. Every other header but version.h has it before what it needs.

#if __cplusplus <= 202002L
#error "nacre needs C++23: compile with -std=c++23, or in CMake link the target nacre::nacre"
#else
#include <version>
#if !defined(__cpp_lib_expected) || !defined(__cpp_lib_move_only_function)
#error "nacre needs a newer compiler or library: g++ 12, or clang 19 with libstdc++ 12, or later"
#endif
#endif
