# Two components: `runtime` is the binary (beluga/app/CMakeLists.txt); `development` is all else: headers (without internal/),
# static libraries, CMake package and pkg-config file.
include(CMakePackageConfigHelpers)
get_property(rooms GLOBAL PROPERTY BELUGA_ROOMS)
install(TARGETS ${rooms} beluga EXPORT BelugaTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT development)
install(DIRECTORY beluga DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development FILES_MATCHING PATTERN "*.hpp"
  PATTERN "internal" EXCLUDE PATTERN "app" EXCLUDE PATTERN "testdata" EXCLUDE)
get_property(curl_soname GLOBAL PROPERTY BELUGA_CURL_SONAME)
if(curl_soname)  # loaded, not linked
  set(BELUGA_FIND_CURL "")
  set(BELUGA_PC_CURL "")
else()
  set(BELUGA_FIND_CURL "find_dependency(CURL)")
  set(BELUGA_PC_CURL "libcurl ")
endif()
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Beluga)
install(EXPORT BelugaTargets NAMESPACE beluga:: DESTINATION ${package_dir} COMPONENT development)
list(TRANSFORM rooms REPLACE "^beluga_" "" OUTPUT_VARIABLE BELUGA_COMPONENTS)
list(SORT BELUGA_COMPONENTS)
list(JOIN BELUGA_COMPONENTS " " BELUGA_COMPONENTS)
# In a folder of their own: beside the caches, `-DBeluga_DIR=build` would find a package without its targets.
set(package_files ${PROJECT_BINARY_DIR}/package)
configure_package_config_file(cmake/BelugaConfig.cmake.in ${package_files}/BelugaConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${package_files}/BelugaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${package_files}/BelugaConfig.cmake ${package_files}/BelugaConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT development)
# Relative to the file itself, so that `cmake --install --prefix` and moved copies work.
file(RELATIVE_PATH BELUGA_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
list(TRANSFORM rooms PREPEND "-l" OUTPUT_VARIABLE BELUGA_PC_ROOMS)
list(JOIN BELUGA_PC_ROOMS " " BELUGA_PC_ROOMS)
configure_file(cmake/beluga.pc.in ${package_files}/beluga.pc @ONLY)
install(FILES ${package_files}/beluga.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
