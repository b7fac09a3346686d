# An overlay port, built from the checkout it stands in: vcpkg install beluga --overlay-ports=packaging/vcpkg/ports
# A port for a registry puts vcpkg_from_github() here, with the hash of a release.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS options FEATURES app BELUGA_BUILD_APP)
vcpkg_find_acquire_program(PKGCONFIG)
vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS ${options} -DBELUGA_INSTALL=ON "-DPKG_CONFIG_EXECUTABLE=${PKGCONFIG}")
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME Beluga CONFIG_PATH lib/cmake/Beluga)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include")
if("app" IN_LIST FEATURES)
  vcpkg_copy_tools(TOOL_NAMES beluga AUTO_CLEAN)
endif()
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
