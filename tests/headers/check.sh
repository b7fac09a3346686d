#!/usr/bin/env bash
# Every public header alone: warning-free, without exceptions and RTTI, with no third-party header in sight, and within its
# compile-time budget. Usage: tests/headers/check.sh [CXX [correct|time]]
#
# Budget: CPU time of the header against that of the standard headers which it names (itself or through our own headers), both
# measured here, in turn, the minimum of one to fifteen rounds (more only for those near or over): at most 1.3;
# beluga/beluga.hpp at most 2.2 times five common standard headers; 4 % on top for noise.
# The examples in the headers' manuals are compiled too: examples.py.
# Exceptions, each with its ratio and reason: over_budget.txt beside this script.
set -e
[ "${2:-all}" = time ] || python3 "$(dirname "$0")/examples.py" "${1:-g++}"
exec python3 "$(dirname "$0")/check.py" "${1:-g++}" "${2:-all}"
