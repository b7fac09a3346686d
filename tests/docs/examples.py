"""Compiles each C++ example of README.md and docs/ as a user meets it: alone, with the includes that it names itself.

Usage: examples.py COMPILER [-v]. An example without main() becomes the body of a function, after its includes. GIVEN declares
what an example takes for granted. What is not meant to compile is not marked as cpp.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEAST = 15
CATALOGUE = "struct { std::string find(const std::string&, int) const; } *catalogue = nullptr;"
# By page and number of the example in it, from 1.
GIVEN = {
    ("docs/agents.md", 1): "beluga::ToolPtr search, calculator;",
    ("docs/fibers.md", 1): "std::string search(int); int a = 1, b = 2; void use(std::string, std::string);",
    ("docs/fibers.md", 2): "Stream<std::string> files(); bool is_text(const std::string&); std::string name_of(std::string);",
    ("docs/fibers.md", 3): "Agent agent{{}};",
    ("docs/http.md", 1): "std::string url, json; HttpHeaders headers; void use(std::string_view);",
    ("docs/http.md", 2): "bool allowed(std::string_view host);",
    ("docs/models.md", 2): "beluga::ChatModelPtr make(std::string_view, const beluga::llm::OpenOptions&);",
    ("docs/observability.md", 1): "beluga::ChatModelPtr model;",
    ("docs/sessions.md", 1): "beluga::ChatModelPtr model;",
    ("docs/tools.md", 1): CATALOGUE,
}


def examples():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for path in pages:
        page, number, lines = str(path.relative_to(ROOT)), 0, None
        for at, line in enumerate(path.read_text().splitlines(), 1):
            if lines is None and line.strip() == "```cpp":
                number, lines = number + 1, []
            elif lines is not None and line.strip() == "```":
                yield page, number, lines
                lines = None
            elif lines is not None:
                lines.append((at, line))


def source(page, lines, given):
    def part(chosen):
        return [f'#line {at} "{page}"\n{line}' for at, line in chosen]

    includes = [(at, line) for at, line in lines if line.startswith("#")]
    code = [(at, line) for at, line in lines if not line.startswith("#")]
    if any(re.match(r"int main\(", line) for _, line in code):
        return "\n".join(part(includes) + [given] + part(code)) + "\n"
    # What is given belongs to the program around the example, which has opened the namespace, too, if the example does.
    opened = [line for _, line in code if line.startswith("using namespace ")]
    return "\n".join(part(includes) + ["void example();", "void example() {", *opened, given, "{", *part(code), "}", "}"]) + "\n"


def compile_one(compiler, page, number, lines):
    text = source(page, lines, GIVEN.get((page, number), ""))
    command = [compiler, "-std=c++20", "-fsyntax-only", "-Wno-unused", f"-I{ROOT}", "-x", "c++", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True)


def main():
    compiler, found = sys.argv[1], list(examples())
    stale = set(GIVEN) - {(page, number) for page, number, _ in found}
    if stale:
        sys.exit(f"documentation examples: GIVEN names some that are not there: {sorted(stale)}")
    if len(found) < LEAST:
        sys.exit(f"documentation examples: only {len(found)} found; is the pattern still right?")
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(lambda e: compile_one(compiler, *e), found):
            wrong += done.returncode != 0
            shown = [l for l in done.stderr.splitlines() if "error" in l or "-v" in sys.argv]
            if done.returncode != 0:
                sys.stderr.write("\n".join(shown or [done.stderr])[:4000] + "\n")
    print(f"documentation examples: {len(found)} compiled, " + (f"{wrong} are wrong" if wrong else "all are right"))
    return wrong != 0


sys.exit(main())
