"""The binary must accept its configuration files as docs/configuration.md shows them.

Usage: config_files.py BELUGA
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
page = (ROOT / "docs" / "configuration.md").read_text()
section = re.search(r"^## The file of the binary\n(.*?)^## ", page, re.S | re.M)
files = re.findall(r"```(yaml|toml)\n(.*?)```", section[1] if section else "", re.S)
if {ending for ending, _ in files} != {"yaml", "toml"}:
    sys.exit("docs/configuration.md shows no YAML or no TOML file of the binary")
for ending, text in files:
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "docs").mkdir()
        path = pathlib.Path(folder) / f"beluga.{ending}"
        path.write_text(text)
        done = subprocess.run([sys.argv[1], "tools", "--config", str(path)], cwd=folder, capture_output=True, text=True, timeout=60)
        if done.returncode != 0 or not done.stdout or done.stderr:
            sys.exit(f"beluga.{ending} of docs/configuration.md: exit code {done.returncode}\n{done.stderr}")
print(f"{len(files)} configuration files are accepted")
