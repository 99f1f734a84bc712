#!/usr/bin/env python3
"""Which lines of a part its tests do not reach, here and in the virtual machine: coverage.py PART...

What `./dev coverage` runs, on programs that were built to count (preset coverage). PART is a folder
such as pmem; its tests are those of the programs PART_*_test and of the parts that follow. Prints each
line that none reached, and exits with 1 when there is one. Lines are counted when a program ends: what
a child that is killed, or ends by _exit, has reached is not. A closing brace alone is no line: it counts
for what an exception would destroy there. A statement over several lines is reached where one of them is:
its first may count for the same.
"""

import collections
import json
import pathlib
import shutil
import subprocess
import sys
from typing import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "vm"))

import machine as vm  # noqa: E402
import packages  # noqa: E402
import run_suites  # noqa: E402
from suites import BOOTS  # noqa: E402

BUILD = ROOT / "build" / "coverage"
# Counts of the guest's programs: the folder stands for its root.
GUEST = BUILD / "guest"
IN_GUEST = "/mnt/out/counts"

# A file's lines and how often each was run.
Lines = dict[str, dict[int, int]]


def main() -> int:
    parts = sys.argv[1:] or ["pmem"]
    _forget()
    for part in parts:
        for program in sorted((BUILD / "tests").glob(f"{part}_*_test")):
            print(f"here: {program.name}", flush=True)
            subprocess.run([program, "--gtest_brief=1"], check=True)
    try:
        _run_guests(vm.prepare())
    except packages.Unavailable as why:
        print(f"without the virtual machine: {why}")
    return _report(_lines(parts[0]), parts[0])


def _forget() -> None:
    shutil.rmtree(GUEST, ignore_errors=True)
    for counts in BUILD.rglob("*.gcda"):
        counts.unlink()


def _run_guests(machine: vm.Machine) -> None:
    machine = machine._replace(build=BUILD, variables={"GCOV_PREFIX": IN_GUEST})
    for number, boot in enumerate(BOOTS):
        with vm.scratch(machine) as folder:
            run_suites.run(machine, boot, folder, _tell)
            # Beside the counts the compiler's notes are looked for.
            counts = GUEST / str(number)
            shutil.copytree(folder / "out" / "counts", counts)
            for path in counts.rglob("*.gcda"):
                notes = path.with_suffix(".gcno")
                notes.symlink_to("/" / notes.relative_to(counts))


def _tell(outcome: run_suites.Outcome) -> None:
    print(f"in the machine: {outcome.name}: {outcome.tests} tests, {outcome.failed} failed\n"
          f"{outcome.detail}".rstrip(), flush=True)


def _lines(part: str) -> Lines:
    """Of all programs together."""
    lines: Lines = collections.defaultdict(lambda: collections.defaultdict(int))
    for counts in BUILD.rglob("*.gcda"):
        for name, line, times in _counted(counts):
            if name.startswith(f"{part}/"):
                lines[name][line] += times
    return lines


def _counted(counts: pathlib.Path) -> Iterator[tuple[str, int, int]]:
    ran = subprocess.run(["gcov", "--json-format", "--stdout", str(counts)], cwd=BUILD, check=True,
                         capture_output=True, text=True)
    for document in ran.stdout.splitlines():
        for file in json.loads(document)["files"]:
            path = (BUILD / file["file"]).resolve()
            if path.is_relative_to(ROOT):
                for line in file["lines"]:
                    yield str(path.relative_to(ROOT)), line["line_number"], line["count"]


def _statements(source: list[str], lines: dict[int, int]) -> dict[int, int]:
    """How often each statement was run, by its first line."""
    statements: dict[int, int] = {}
    first = 0
    for line in sorted(line for line in lines if source[line - 1].strip() not in ("}", "};")):
        ended = not first or any(text.rstrip().endswith((";", "{", "}", ":"))
                                 for text in source[first - 1:line - 1])
        first = line if ended else first
        statements[first] = statements.get(first, 0) + lines[line]
    return statements


def _report(lines: Lines, part: str) -> int:
    missed = total = 0
    for name in sorted(lines):
        source = (ROOT / name).read_text().splitlines()
        of_file = _statements(source, lines[name])
        total += len(of_file)
        for line in sorted(line for line, times in of_file.items() if times == 0):
            print(f"{name}:{line}: {source[line - 1].strip()}")
            missed += 1
    print(f"{part}: {total - missed} of {total} lines reached")
    return 1 if missed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
