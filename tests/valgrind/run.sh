#!/usr/bin/env bash
# The fiber tests under valgrind's memcheck. Usage: tests/valgrind/run.sh FIBER_TEST
#
# Left out: the stack overflow tests (their faults are meant) and those of 100,000 fibers and of measured time, which take hours.
set -euo pipefail
valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --num-callers=30 \
  --fair-sched=yes "$1" --gtest_brief=1 \
  --gtest_filter='-Stack.*:Stress.*:*Watchdog*'
