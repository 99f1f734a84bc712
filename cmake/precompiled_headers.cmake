# What nearly every file reads, read once: compiling a library takes half as long with it. Only the
# presets that a developer runs ask for it; a release builds each file from its own includes, and so
# finds one that is missing.
option(NACRE_PRECOMPILE_HEADERS "Precompile the standard headers, fmt and GoogleTest" OFF)

set(nacre_common_headers
    <algorithm>
    <array>
    <atomic>
    <bit>
    <chrono>
    <condition_variable>
    <cstddef>
    <cstdint>
    <cstring>
    <deque>
    <expected>
    <filesystem>
    <functional>
    <map>
    <memory>
    <mutex>
    <optional>
    <set>
    <span>
    <string>
    <string_view>
    <thread>
    <unordered_map>
    <utility>
    <variant>
    <vector>
    <fmt/format.h>)

# nacre_precompile_target(PROGRAM|LIBRARY NAME LIBS fmt::fmt [HEADERS <x>] [OPTIONS -O0])
#
# The target that others reuse: its flags and definitions must be theirs, and so must its kind, for a
# program is compiled with -fPIE and a library with -fPIC.
function(nacre_precompile_target kind name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "HEADERS;LIBS;OPTIONS")
  set(source "${PROJECT_BINARY_DIR}/${name}.cc")
  file(CONFIGURE OUTPUT "${source}" CONTENT "int main() {}\n")
  if(kind STREQUAL "PROGRAM")
    add_executable(${name} EXCLUDE_FROM_ALL "${source}")
  else()
    add_library(${name} STATIC EXCLUDE_FROM_ALL "${source}")
  endif()
  target_link_libraries(${name} PRIVATE ${arg_LIBS})
  target_compile_options(${name} PRIVATE ${arg_OPTIONS})
  target_precompile_headers(${name} PRIVATE ${nacre_common_headers} ${arg_HEADERS})
endfunction()

# nacre_reuse_precompiled(TARGET nacre_precompiled): nothing, where headers are not precompiled.
function(nacre_reuse_precompiled target precompiled)
  if(TARGET ${precompiled})
    target_precompile_headers(${target} REUSE_FROM ${precompiled})
  endif()
endfunction()

if(NACRE_PRECOMPILE_HEADERS)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess) # Without it ccache has nothing to compare.
  endif()
  nacre_precompile_target(LIBRARY nacre_precompiled LIBS fmt::fmt Threads::Threads)
  if(NACRE_BUILD_TESTS)
    nacre_precompile_target(
      PROGRAM nacre_precompiled_test
      HEADERS <gmock/gmock.h> <gtest/gtest.h>
      LIBS fmt::fmt Threads::Threads GTest::gmock
      OPTIONS ${NACRE_TEST_COMPILE_OPTIONS})
  endif()
endif()
