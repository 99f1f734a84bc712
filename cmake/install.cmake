# The CMake package and the pkg-config file of the installed library.

include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/nacre")
configure_package_config_file(cmake/nacre-config.cmake.in nacre-config.cmake
                              INSTALL_DESTINATION "${package_dir}")
# Before 1.0 a minor version may break its callers.
write_basic_package_version_file(nacre-config-version.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT nacre-targets NAMESPACE nacre:: DESTINATION "${package_dir}")
# On its own: it alone needs libdw, which a program that only uses nacre does without.
install(EXPORT nacre-emulation-targets NAMESPACE nacre:: DESTINATION "${package_dir}")
install(FILES "${PROJECT_BINARY_DIR}/nacre-config.cmake"
              "${PROJECT_BINARY_DIR}/nacre-config-version.cmake" DESTINATION "${package_dir}")

# nacre.pc finds its prefix from where it lies, so that an installed tree can be moved.
set(pkgconfig_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH prefix_from_pkgconfig "${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir}"
     "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" prefix_from_pkgconfig "${prefix_from_pkgconfig}")
configure_file(cmake/nacre.pc.in nacre.pc @ONLY)
configure_file(cmake/nacre-emulation.pc.in nacre-emulation.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/nacre.pc" "${PROJECT_BINARY_DIR}/nacre-emulation.pc" DESTINATION "${pkgconfig_dir}")
