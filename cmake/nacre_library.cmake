# nacre_library(base SOURCES a.cc b.cc LIBS nacre_x PkgConfig::y [EXPORT_SET nacre-targets])
#
# The static library of one directory: target nacre_<name>, exported as nacre::<name>. Sources are
# listed by name; tools/check_layers.py fails when one is forgotten.
function(nacre_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "EXPORT_SET" "SOURCES;LIBS")
  if(NOT arg_EXPORT_SET)
    set(arg_EXPORT_SET nacre-targets)
  endif()
  set(target nacre_${name})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(nacre::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} LINKER_LANGUAGE CXX)
  target_compile_features(${target} PUBLIC cxx_std_23)
  target_include_directories(
    ${target} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>"
                     "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
                     "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(${target} PUBLIC ${arg_LIBS})
  nacre_reuse_precompiled(${target} nacre_precompiled)
  install(TARGETS ${target} EXPORT ${arg_EXPORT_SET})
endfunction()
