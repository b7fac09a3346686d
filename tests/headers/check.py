"""The work of check.sh."""
import concurrent.futures
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WARNINGS = "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror".split()
FOREIGN = re.compile(r"/(boost|nlohmann|curl|openssl|fmt|spdlog|yaml-cpp|toml\+\+|re2|simdjson)/|/(sqlite3|simdjson|pcre2|zlib)\.h")
STANDARD = re.compile(r"^\s*#\s*include\s+<([a-z0-9_.]+)>", re.M)
OURS = re.compile(r'^\s*#\s*include\s+"(beluga/[^"]+)"', re.M)
UMBRELLA, UMBRELLA_BUDGET, BUDGET = "beluga/beluga.hpp", 2.2, 1.3
MOST_ROUNDS = 15
NOISE = 1.04  # what is left of it after all rounds, seen on a loaded machine of two cores
UMBRELLA_BASE = ["string", "vector", "memory", "optional", "functional"]


def public_headers():
    for path in sorted((ROOT / "beluga").rglob("*.hpp")):
        parts = path.relative_to(ROOT).parts
        if "internal" not in parts and parts[1] not in ("app", "interop") and "testdata" not in parts:
            yield "/".join(parts)


def named(header, seen):
    """Our headers below `header`, into `seen`; the standard headers that any of them names."""
    seen.add(header)
    text = (ROOT / header).read_text()
    result = set(STANDARD.findall(text))
    for other in OURS.findall(text):
        if other not in seen and (ROOT / other).is_file():
            result |= named(other, seen)
    return result


def main():
    cxx, part = sys.argv[1:3]
    headers, problems = list(public_headers()), []
    allowed = {}
    for line in (pathlib.Path(__file__).parent / "over_budget.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            header, ratio, reason = line.split(None, 2)
            allowed[header] = float(ratio)
    if not headers:
        sys.exit("no public headers found")
    with tempfile.TemporaryDirectory() as folder:
        def unit(name, lines):
            path = os.path.join(folder, name.replace("/", "_") + ".cpp")
            pathlib.Path(path).write_text("".join(lines))
            return path

        def command(source, *more):
            return [cxx, "-std=c++20", "-O0", f"-I{ROOT}", *more, source]

        def correct(header):
            source, found = unit(header, [f'#include "{header}"\n']), []
            made = source + ".d"
            for what, flags in (("with warnings", WARNINGS + ["-MD", "-MF", made]), ("without exceptions and RTTI", ["-fno-exceptions", "-fno-rtti"])):
                done = subprocess.run(command(source, "-fsyntax-only", *flags), capture_output=True, text=True)
                if done.returncode != 0:
                    found.append(f"{header}: does not compile {what}:\n{done.stderr[:2000]}")
            for path in pathlib.Path(made).read_text().split():
                if FOREIGN.search(path):
                    found.append(f"{header}: shows its users {path}")
                    break
                if path.startswith(str(ROOT)) and "/internal/" in path:
                    found.append(f"{header}: needs the internal header {path}")
            return found

        if part != "time":
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                for found in pool.map(correct, headers):
                    problems += found

        def seconds(source):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(command(source, "-fsyntax-only"), capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"{source} does not compile:\n{done.stderr[:2000]}")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        print(f"{'header':44} {'ms':>6} {'std ms':>6} {'ratio':>6}  budget")
        for header in headers if part != "correct" else []:
            standard = UMBRELLA_BASE if header == UMBRELLA else sorted(named(header, set()))
            own = unit(header, [f'#include "{header}"\n'])
            base = unit("std_" + header, [f"#include <{name}>\n" for name in standard])
            budget, own_time, base_time = (UMBRELLA_BUDGET if header == UMBRELLA else BUDGET), 9e9, 9e9
            for rounds in range(1, MOST_ROUNDS + 1):
                # In turn, so that a change of the machine's speed meets both. The least is what the work needs; the rest
                # is what others on the machine added, and fades with the number of rounds.
                own_time, base_time = min(own_time, seconds(own)), min(base_time, seconds(base))
                if own_time < (0.85 if rounds == 1 else 0.93 if rounds <= 3 else 1.0) * budget * base_time:
                    break
            ratio, note = own_time / base_time, ""
            if ratio > budget * NOISE:
                note = "  OVER"
                if header in allowed and ratio <= allowed[header] * 1.1:
                    note = "  over, listed"
                else:
                    problems.append(f"{header}: {ratio:.2f} times its standard headers; the budget is {budget}")
            print(f"{header:44} {own_time * 1000:6.0f} {base_time * 1000:6.0f} {ratio:6.2f}  {budget}{note}", flush=True)
    for problem in problems:
        print(problem)
    print(f"headers: {len(headers)} headers, {len(problems)} violations")
    return 1 if problems else 0


sys.exit(main())
