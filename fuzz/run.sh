#!/usr/bin/env bash
# Runs one fuzzer for a while, from its committed seeds and from what earlier runs found.
# Usage: fuzz/run.sh BUILD_DIR TARGET SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 target=$2 seconds=$3
name=${target%_fuzz}
found=$build/found/$target
mkdir -p "$found"
options=(-timeout=10 -rss_limit_mb=2048 -max_len=4096)
[ -f "fuzz/$name.dict" ] && options+=(-dict="fuzz/$name.dict")
log=$found.log
start=$SECONDS
if "$build/fuzz/$target" "${options[@]}" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="$found-" \
  "$found" "fuzz/corpus/$name" >"$log" 2>&1; then
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  # A fuzzer that ran next to nothing proves next to nothing.
  [ "${runs:-0}" -ge 100 ] || { cat "$log"; echo "$target: only ${runs:-0} inputs in $seconds s" >&2; exit 1; }
  echo "$target: $runs inputs in $((SECONDS - start)) s, nothing found"
else
  tail -n 60 "$log"
  input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
  echo "$target FAILED on ${input:-(no input was written)}"
  echo "  again:    $build/fuzz/$target ${input:-}"
  echo "  smaller:  $build/fuzz/$target -minimize_crash=1 -max_total_time=60 ${input:-}"
  echo "  mended:   copy the input into fuzz/corpus/$name/ and write the unit test that would have found it"
  if [ -n "$input" ]; then
    echo "  input in base64 (for a machine that keeps no files):"
    base64 -w 120 "$input" | sed 's/^/    /'
  fi
  exit 1
fi
