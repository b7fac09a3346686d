# beluga_room(<name> [ROOMS <room>...] [PRIVATE <library>...])
#
# A room is a folder of beluga/: every .cpp in it (and in internal/ and providers/) belongs to the library beluga::<name>,
# every *_test.cpp to the test program <name>_test. ROOMS are the rooms it may include; PRIVATE are third-party libraries,
# invisible to users of the headers.
function(beluga_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ROOMS;PRIVATE;TEST_PRIVATE")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$|/testdata/")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  set(target beluga_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_compile_features(${target} PUBLIC cxx_std_20)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:beluga_flags> ${arg_PRIVATE})
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    set(scope INTERFACE)
  endif()
  foreach(room IN LISTS arg_ROOMS)
    target_link_libraries(${target} ${scope} beluga_${room})
  endforeach()
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  add_library(beluga::${name} ALIAS ${target})
  set_property(GLOBAL APPEND PROPERTY BELUGA_ROOMS ${target})

  if(BELUGA_BUILD_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${target} beluga_flags GTest::gmock GTest::gtest_main ${arg_PRIVATE}
      ${arg_TEST_PRIVATE})
    # -O1: tests are compiled more often than run. The warning is wrong about optionals and variants in g++ 12.
    target_compile_options(${name}_test PRIVATE -O1 $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
    target_compile_definitions(${name}_test PRIVATE BELUGA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endif()
endfunction()
