#!/usr/bin/env bash
# The fiber tests under valgrind's memcheck. Usage: tests/valgrind/run.sh FIBER_TEST
#
# Left out: the stack overflow tests (their faults are meant), those of 100,000 fibers and of measured time, which take hours,
# and those that fork or run out of memory on purpose: a child keeps what its parent's threads held, and valgrind needs memory.
set -euo pipefail
valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=30 \
  --fair-sched=yes "$1" --gtest_brief=1 \
  --gtest_filter='-Stack.*:Stress.*:*Watchdog*:*Fork*:*CannotBeStarted*'
