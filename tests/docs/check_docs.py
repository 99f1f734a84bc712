#!/usr/bin/env python3
"""Checks what documents say about other files: check_docs.py ROOT

Every relative link leads to a file. The program in the README is examples/hello_log.cc, to the
letter, and the lines of CMake beside it are those that build it in examples/CMakeLists.txt. Every
test that docs/fault_model.md names is there.
"""

import pathlib
import re
import sys

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
TEST_NAME = re.compile(r"`([A-Z]\w*)\.([A-Z]\w*)`")
TEST_CASE = re.compile(r"\bTEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\s*\)")
FENCE = re.compile(r"```(\w*)[^\n]*\n(.*?)```", re.DOTALL)


def dead_links(root: pathlib.Path) -> list[str]:
    problems = []
    for page in [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]:
        prose = FENCE.sub("", page.read_text(encoding="utf-8"))
        for target in LINK.findall(prose):
            if "://" not in target and not (page.parent / target).exists():
                problems.append(f"{page.relative_to(root)}: no such file: {target}")
    return problems


def readme_problems(root: pathlib.Path) -> list[str]:
    blocks = FENCE.findall((root / "README.md").read_text(encoding="utf-8"))
    problems = []
    example = (root / "examples/hello_log.cc").read_text(encoding="utf-8")
    if ("cpp", example) not in blocks:
        problems.append("README.md: its program is not examples/hello_log.cc; copy it anew")
    built = (root / "examples/CMakeLists.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for language, text in blocks if language == "cmake" for line in text.splitlines()]
    if not lines:
        problems.append("README.md: no lines of CMake")
    for line in lines:
        if line not in built:
            problems.append(f"README.md: examples/CMakeLists.txt does not say: {line}")
    return problems


def missing_tests(root: pathlib.Path) -> list[str]:
    there = {
        case
        for source in [*(root / "tests").rglob("*.cc"), *(root / "tests").rglob("*.h")]
        for case in TEST_CASE.findall(source.read_text(encoding="utf-8"))
    }
    named = TEST_NAME.findall((root / "docs/fault_model.md").read_text(encoding="utf-8"))
    if not named:
        return ["docs/fault_model.md: names no test"]
    return [
        f"docs/fault_model.md: no such test: {suite}.{name}"
        for suite, name in dict.fromkeys(named)
        if (suite, name) not in there
    ]


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    problems = dead_links(root) + readme_problems(root) + missing_tests(root)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
