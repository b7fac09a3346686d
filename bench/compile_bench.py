#!/usr/bin/env python3
"""What one file of a user costs to compile, beside what a file costs that does its JSON or its sockets with a usual library.

Usage: bench/compile_bench.py [COMPILER ...]; CPU seconds of `-O2 -c`, the least of five, taken in turns so that a busy machine is
busy for all. The first row is the measure: five headers of the standard library.
"""
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
STANDARD = "#include <functional>\n#include <memory>\n#include <optional>\n#include <string>\n#include <vector>\n"
CASES = {
    "five standard headers": STANDARD + "int main() {}\n",
    "the README's agent (beluga.hpp)": (ROOT / "examples/readme.cpp").read_text(),
    "nlohmann/json: parse, read a member, write": STANDARD + '''#include <nlohmann/json.hpp>
std::string name(const std::string& text) { return nlohmann::json::parse(text).at("name").get<std::string>(); }
int main(int, char** argv) { return static_cast<int>(nlohmann::json{{"name", name(argv[1])}}.dump().size()); }
''',
    "Boost.JSON: the same": STANDARD + '''#include <boost/json.hpp>
std::string name(const std::string& text) { return boost::json::value_to<std::string>(boost::json::parse(text).at("name")); }
int main(int, char** argv) {
  return static_cast<int>(boost::json::serialize(boost::json::object{{"name", name(argv[1])}}).size());
}
''',
    "Boost.Asio: connect": STANDARD + '''#include <boost/asio.hpp>
int main() {
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket socket(io);
  boost::asio::connect(socket, boost::asio::ip::tcp::resolver(io).resolve("localhost", "80"));
}
''',
}


def cpu_seconds(compiler, source, target):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([compiler, "-std=c++20", "-O2", "-I", str(ROOT), "-c", source, "-o", target], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


with tempfile.TemporaryDirectory() as folder:
    for compiler in sys.argv[1:] or ["g++"]:
        least = dict.fromkeys(CASES, float("inf"))
        for _ in range(5):
            for number, (name, text) in enumerate(CASES.items()):
                source = os.path.join(folder, f"{number}.cpp")
                pathlib.Path(source).write_text(text)
                least[name] = min(least[name], cpu_seconds(compiler, source, os.path.join(folder, "out.o")))
        base = least["five standard headers"]
        print(f"{compiler}: CPU seconds of one file, and as a multiple of the first")
        for name, seconds in least.items():
            print(f"  {name:45} {seconds:6.2f} s  {seconds / base:5.1f}")
