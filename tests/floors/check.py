#!/usr/bin/env python3
"""Checks every include of beluga/** against floors.txt. Usage: tests/floors/check.py [REPOSITORY_ROOT]

A room includes rooms on lower floors, and on its own floor only those named after its colon; the rooms of one floor form no
cycle; a public header includes no internal/ header. interop/ holds adaptors on base; beluga.hpp is above all rooms but app.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"](beluga/[^">]+)[>"]')


def read_floors(path):
    floor, beside, problems = {}, {}, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"(\d+)\s+(\w+):((?:\s+\w+)*)", line)
        if not match:
            problems.append(f"{path.name}:{number}: expected 'FLOOR ROOM: ROOM...', found '{line}'")
            continue
        floor[match[2]] = int(match[1])
        beside[match[2]] = match[3].split()
    for room, others in beside.items():
        for other in others:
            if floor.get(other) != floor[room]:
                problems.append(f"{path.name}: {room} names {other}, which is not a room of its floor")
    return floor, beside, problems


def cycle(graph):
    done, path = set(), []

    def visit(room):
        if room in path:
            return path[path.index(room):] + [room]
        if room in done:
            return None
        path.append(room)
        for other in sorted(graph.get(room, ())):
            found = visit(other)
            if found:
                return found
        path.pop()
        done.add(room)
        return None

    for room in sorted(graph):
        found = visit(room)
        if found:
            return found
    return None


def check(root):
    floor, beside, problems = read_floors(root / "floors.txt")
    floor.setdefault("interop", 0)
    seen, files = {}, 0
    for path in sorted((root / "beluga").rglob("*")):
        if path.suffix not in (".hpp", ".cpp"):
            continue
        files += 1
        parts = path.relative_to(root / "beluga").parts
        room = parts[0] if len(parts) > 1 else None  # None: beluga.hpp
        if room is not None and room not in floor:
            problems.append(f"{path.relative_to(root)}:1: room {room} is not in floors.txt")
            continue
        public = path.suffix == ".hpp" and "internal" not in parts and room != "app"
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            place = f"{path.relative_to(root)}:{number}"
            target = match[1].split("/")
            if public and "internal" in target:
                problems.append(f"{place}: a public header includes {match[1]}")
            if not (root / match[1]).is_file():
                problems.append(f"{place}: {match[1]} does not exist")
            other = target[1] if len(target) > 2 else None
            if room is None:
                if other in (None, "app", "interop"):
                    problems.append(f"{place}: the umbrella header includes {match[1]}")
            elif other is None:
                if floor[room] <= max(f for r, f in floor.items() if r != "app"):
                    problems.append(f"{place}: {room} includes the umbrella header {match[1]}")
            elif room == "interop":
                if other not in ("base", "interop"):
                    problems.append(f"{place}: interop includes {other}; it adapts base only")
            elif other == room:
                pass
            elif other not in floor or other == "interop":
                problems.append(f"{place}: {room} includes {match[1]}, which belongs to no room of floors.txt")
            else:
                seen.setdefault(room, set()).add(other)
                if floor[other] > floor[room]:
                    problems.append(f"{place}: {room} (floor {floor[room]}) includes {other} (floor {floor[other]})")
                elif floor[other] == floor[room] and other not in beside[room]:
                    problems.append(f"{place}: {room} includes {other}, which floors.txt does not allow it")
    for name, graph in (("floors.txt", beside), ("the includes", seen)):
        found = cycle(graph)
        if found:
            problems.append(f"{name}: cycle {' -> '.join(found)}")
    if files == 0:
        problems.append(f"no sources below {root / 'beluga'}")
    return files, problems


if __name__ == "__main__":
    base = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
    count, found = check(base)
    for problem in found:
        print(problem)
    print(f"floors: {count} files, {len(found)} violations")
    sys.exit(1 if found else 0)
