#!/usr/bin/env python3
"""Runs a program that must exit with 0 and print what a regular expression matches. Usage: run_example.py REGEX PROGRAM [ARGUMENT...]

ctest alone cannot: with PASS_REGULAR_EXPRESSION it ignores the exit code. As there, `.` matches line feeds.
"""
import re
import subprocess
import sys

done = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
print(done.stdout, end="")
problems = []
if done.returncode != 0:
    problems.append(f"it ended with exit code {done.returncode}")
if not re.search(sys.argv[1], done.stdout, re.DOTALL):
    problems.append(f"its output does not match: {sys.argv[1]}")
for problem in problems:
    print(f"run_example: {problem}", file=sys.stderr)
sys.exit(1 if problems else 0)
