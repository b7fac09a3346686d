"""Compiles the examples in the public headers' manuals (the lines after `///     ` in the first comment).

Usage: examples.py COMPILER [-v]. Each header's lines become a function body in namespace beluga, after prelude.hpp. A line
`...` is left out, and `{ ... }` becomes `{}`.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEFT_OUT = {"app", "interop"}  # not installed; needs libraries that are not ours


def example(path):
    lines, started = [], False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("///     "):
            started = True
            lines.append((number, line[8:]))
        elif started and not line.startswith("///"):
            break
        elif number > 3 and not started and not line.startswith("///"):
            break
    return lines


def main():
    compiler, text, count = sys.argv[1], [], 0
    headers = [p.relative_to(ROOT) for p in sorted((ROOT / "beluga").rglob("*.hpp"))]
    headers = [h for h in headers if "internal" not in h.parts and h.parts[1] not in LEFT_OUT and "testdata" not in h.parts]
    text += [f'#include "{h}"' for h in headers] + ['#include "tests/headers/prelude.hpp"']
    for index, header in enumerate(headers):
        lines = [(n, l) for n, l in example(ROOT / header) if not l.startswith("#include") and l.strip() != "..."]
        if not lines:
            continue
        count += 1
        room = "::observe" if header.parts[1] == "observe" else ""
        text.append(f"namespace beluga{room}::example_{index} {{\nvoid body();\nvoid body() {{")
        for number, line in lines:
            text.append(f'#line {number} "{header}"\n{re.sub(r"{ [.]{3} }", "{}", line)}')
        text.append("}\n}")
    if count < len(headers) // 2:
        sys.exit(f"only {count} of {len(headers)} headers have an example: is the pattern still right?")
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "examples.cpp"
        source.write_text("\n".join(text) + "\n")
        done = subprocess.run([compiler, "-std=c++20", "-fsyntax-only", "-Wmissing-field-initializers", "-Werror=missing-field-initializers", f"-I{ROOT}", str(source)],
                              capture_output=True, text=True)
    sys.stderr.write("\n".join(l for l in done.stderr.splitlines() if "error" in l or "-v" in sys.argv)[:8000] + "\n")
    print(f"header examples: {count} compiled, {'all are right' if done.returncode == 0 else 'some are wrong'}")
    return done.returncode


sys.exit(main())
