# Flags for every target of the project. Whether a warning is an error is the preset's choice
# (CMAKE_COMPILE_WARNING_AS_ERROR), so that a newer compiler does not stop a user's build.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  find_program(NACRE_CCACHE ccache)
  mark_as_advanced(NACRE_CCACHE)
  if(NACRE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Precompiled headers are keyed by what they hold.
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
                                    CCACHE_SLOPPINESS=pch_defines,time_macros "${NACRE_CCACHE}")
  endif()
endif()

if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
   OR (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19))
  message(FATAL_ERROR "nacre needs std::expected as GCC 12 or Clang 19 has it; this compiler is "
                      "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
endif()

# Frame pointers: a profiler and a crash report want them more than a loop wants one register.
add_compile_options(-Wall -Wextra -Wconversion -Wshadow -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wthread-safety -fcolor-diagnostics)
else()
  add_compile_options(-fdiagnostics-color=auto)
  # GCC 12 sees overlapping copies inside std::string that are not there (GCC PR 105651), and, where
  # headers are precompiled and so no longer count as the system's, copies past a string's end.
  # At -O3 it also sees writes past the end in fmt's parser of format specifications.
  # It compiles once more where it optimises across units, and then looks at the linker's options.
  set(false_alarms -Wno-restrict -Wno-array-bounds -Wno-stringop-overread -Wno-stringop-overflow)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    add_compile_options(${false_alarms})
    add_link_options(${false_alarms})
  endif()
endif()

if(NACRE_SANITIZE)
  add_compile_options(-fsanitize=${NACRE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${NACRE_SANITIZE})
endif()
if(NACRE_FUZZ)
  # Coverage in the libraries; only the fuzz targets link the driver.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(NACRE_LTO)
  # Fat objects: the installed archives link without LTO, and with another compiler, too.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-flto=auto -ffat-lto-objects)
    add_link_options(-flto=auto)
  else()
    message(STATUS "NACRE_LTO is honoured for GCC only; building without")
  endif()
endif()
