#!/usr/bin/env bash
# Installs a finished build into a temporary folder, then builds and runs small programs against that copy: find_package,
# find_package with components, pkg-config; and one against the sources, by FetchContent. Usage: tests/consumer/run.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?usage: run.sh BUILD_DIR}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
private=$(find "$prefix/include" -path '*/internal/*' -o -path '*/app/*' -o -name '*_test.*')
if [ -n "$private" ]; then echo "installed, but private: $private" >&2; exit 1; fi

cmake --install "$build" --prefix "$work/runtime" --component runtime >"$work/install.log" || { cat "$work/install.log"; exit 1; }
installed=$(cd "$work/runtime" && find . -type f)
[ "$installed" = ./bin/beluga ] || { echo "the component runtime is more or less than the binary: $installed" >&2; exit 1; }
"$work/runtime/bin/beluga" --version

for consumer in find_package components; do
  echo "== $consumer"
  cmake -S "$here/$consumer" -B "$work/$consumer" -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" || { cat "$work/log"; exit 1; }
  cmake --build "$work/$consumer"
  "$work/$consumer/consumer"
done

echo "== pkg-config"
mkdir "$work/pkg_config"
# The file is found wherever the library folder of this system is (lib, lib64, lib/x86_64-linux-gnu).
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name beluga.pc)") make -C "$here/pkg_config" OUT="$work/pkg_config"
"$work/pkg_config/consumer"

echo "== FetchContent"
# The launcher and the flags are those of our own build, so that its objects are found in the cache.
cmake -S "$here/fetch_content" -B "$work/fetch_content" -G Ninja -DFETCHCONTENT_SOURCE_DIR_BELUGA="$(cd "$here/../.." && pwd)" \
  -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" -DCMAKE_BUILD_TYPE=Release \
  -DBELUGA_WERROR=ON >"$work/log" || { cat "$work/log"; exit 1; }
cmake --build "$work/fetch_content" -- --quiet
"$work/fetch_content/consumer"
