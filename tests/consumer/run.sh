#!/usr/bin/env bash
# Installs a finished build into a temporary folder, then builds and runs small programs against that copy: find_package,
# find_package with components, pkg-config. Usage: tests/consumer/run.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?usage: run.sh BUILD_DIR}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
private=$(find "$prefix/include" -path '*/internal/*' -o -path '*/app/*' -o -name '*_test.*')
if [ -n "$private" ]; then echo "installed, but private: $private" >&2; exit 1; fi

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
