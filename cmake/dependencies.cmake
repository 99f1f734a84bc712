# What nacre links. The installed nacre-config.cmake looks for the same, under the same names.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(libdw REQUIRED IMPORTED_TARGET libdw)
pkg_check_modules(libisal REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(libpmem2 REQUIRED IMPORTED_TARGET libpmem2)
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(memkind REQUIRED IMPORTED_TARGET memkind)
find_package(fmt REQUIRED)

if(NACRE_BUILD_TOOLS)
  find_package(CLI11 REQUIRED)
endif()
if(NACRE_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
