#!/usr/bin/env python3
"""README.md must show examples/readme.cpp as it is, and its links must lead somewhere."""

import os
import re
import sys

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
failures = []
with open(os.path.join(root, "README.md")) as readme, open(os.path.join(root, "examples/readme.cpp")) as example:
    shown = re.search(r"```cpp\n(.*?)```", readme.read(), re.S)
    if shown is None or shown.group(1) != example.read():
        failures.append("README.md: its first agent differs from examples/readme.cpp")

pages = [os.path.join(root, "README.md")]
for folder, _, names in os.walk(os.path.join(root, "docs")):
    pages += [os.path.join(folder, name) for name in names if name.endswith(".md")]
for page in pages:
    with open(page) as text:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text.read()):
            if not os.path.exists(os.path.join(os.path.dirname(page), target)):
                failures.append(f"{os.path.relpath(page, root)}: link to {target}, which does not exist")
print("\n".join(failures) or f"readme: {len(pages)} pages, links and example hold")
sys.exit(bool(failures))
