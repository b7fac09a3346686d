# Language level, warnings, linker, ccache and sanitizers, for our own targets only.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# A project that adds this one keeps its own build type, flags, linker and launcher.
if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
  endif()
  # -O3 buys nothing measurable here and costs a third more compile time.
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
  find_program(CCACHE ccache)
  if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  endif()
  # g++ 12 knows mold and lld by name; clang 19 prefers its own lld.
  find_program(MOLD mold)
  if(MOLD AND NOT CMAKE_CROSSCOMPILING)
    add_link_options(-fuse-ld=mold)
  endif()
endif()

add_library(beluga_flags INTERFACE)
target_compile_features(beluga_flags INTERFACE cxx_std_20)
target_compile_options(beluga_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -fvisibility-inlines-hidden)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees overlapping copies in `"text" + std::string()` at -O2 (gcc.gnu.org/PR105651); g++ 13 does not.
  target_compile_options(beluga_flags INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # std::stable_sort of libstdc++ 12 calls std::get_temporary_buffer, which clang reports at the caller.
  target_compile_options(beluga_flags INTERFACE -Wno-deprecated-declarations)
endif()
if(BELUGA_WERROR)
  target_compile_options(beluga_flags INTERFACE -Werror)
endif()

if(BELUGA_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(BELUGA_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio's fences around handlers, which its mutexes make redundant (boost/asio/detail/std_fenced_block.hpp).
    add_compile_options(-Wno-tsan)
  endif()
elseif(NOT BELUGA_SANITIZE STREQUAL "")
  message(FATAL_ERROR "BELUGA_SANITIZE is '${BELUGA_SANITIZE}'; use address or thread")
endif()

if(BELUGA_BUILD_FUZZ)
  # The libraries need the coverage counters too, not only the fuzzers.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
