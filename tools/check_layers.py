#!/usr/bin/env python3
"""Checks that the source tree keeps to its layers: check_layers.py [ROOT]

A directory includes only from itself and from rows above it in LAYERS. Prints one line for each
broken rule, as FILE:LINE: what is wrong and what to do, and exits with 1 when there is one.
"""

import pathlib
import re
import sys
from typing import Iterator, NamedTuple

# Top row first. docs/architecture.md says what each directory is for.
LAYERS = [
    "include/nacre",
    "lib/base",
    "lib/codec",
    "lib/metrics",
    "lib/io",
    "pmem",
    "mmap",
    "wal",
    "lib/cache",
    "lib/log",
    "lib/store",
    "lib/tier",
    "emulation",
]

# Narrower than "everything above".
ONLY_FROM = {
    "emulation": {"include/nacre", "lib/base", "lib/codec", "lib/io", "pmem"},
}
STRANGERS = [{"lib/log", "lib/store"}]

# What stands outside the layers, and where it may include from beside them.
OUTSIDE = {
    "bench": {"bench"},
    "tools": {"tools"},
    "tests": {"tests", "bench", "tools"},
}

# Where the kernel's file operations may be called directly. Everywhere else in the layers they go
# through nacre::FileSystem, or a simulator could not take the kernel's place.
# (The emulation needs memory, and a pipe to the processes that try crashes.)
MAY_CALL_KERNEL = ("lib/io", "pmem", "mmap", "emulation/simulation", "emulation/explorer")
KERNEL_CALL = re.compile(
    r"(?<![\w>])::(open|openat|creat|read|pread|preadv|write|pwrite|pwritev|rename|renameat|unlink|"
    r"mkdir|rmdir|fsync|fdatasync|sync_file_range|ftruncate|truncate|fallocate|posix_fallocate|"
    r"flock|mmap|msync)\s*\("
    r"|\bstd::filesystem::(?!(path|absolute)\b)\w+"
    r"|\bstd::(fopen|rename|remove)\s*\(\s*\""
    r"|\bstd::(ifstream|ofstream|fstream)\b"
)

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
LINE_COMMENT = re.compile(r"//[^\n]*")


class Violation(NamedTuple):
    path: pathlib.Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def violations(root: pathlib.Path) -> list[Violation]:
    """Every broken rule under `root`, in the order of the paths."""
    found = []
    for path in sorted(source_files(root)):
        text = (root / path).read_text(encoding="utf-8")
        found.extend(check_includes(root, path, text))
        found.extend(check_kernel_calls(path, text))
        found.extend(check_pragma_once(path, text))
        found.extend(check_listed(root, path))
    return found


def source_files(root: pathlib.Path) -> Iterator[pathlib.Path]:
    """Paths, relative to `root`, of every source file that has a rule."""
    for top in LAYERS + list(OUTSIDE):
        for suffix in ("h", "cc"):
            for path in (root / top).rglob(f"*.{suffix}"):
                yield path.relative_to(root)


def home_of(path: str) -> str | None:
    """The row of LAYERS or key of OUTSIDE that `path`, relative to the root, belongs to."""
    for home in LAYERS + list(OUTSIDE):
        if path.startswith(home + "/"):
            return home
    return None


def allowed_from(home: str) -> set[str]:
    """The homes that a file in `home` may include from."""
    if home in OUTSIDE:
        return set(LAYERS) | OUTSIDE[home]
    above = set(LAYERS[: LAYERS.index(home) + 1])
    if home in ONLY_FROM:
        above &= ONLY_FROM[home] | {home}
    for pair in STRANGERS:
        if home in pair:
            above -= pair - {home}
    return above


def check_includes(root: pathlib.Path, path: pathlib.Path, text: str) -> Iterator[Violation]:
    home = home_of(path.as_posix())
    for number, line in enumerate(text.splitlines(), start=1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, name = match.groups()
        message = include_problem(root, home, quote, name)
        if message:
            yield Violation(path, number, message)


def include_problem(root: pathlib.Path, home: str, quote: str, name: str) -> str | None:
    target = "include/" + name if name.startswith("nacre/") else name
    ours = home_of(target) is not None and (root / target).exists()
    if quote == "<":
        return f'write "{name}": quotes for the project\'s own headers' if ours else None
    if not ours:
        return f'"{name}" is no path from the root; other projects\' headers stand in <>'
    from_home = home_of(target)
    if from_home in allowed_from(home):
        return None
    if home == "include/nacre":
        return f'a public header includes only public headers, not "{name}"'
    if from_home in OUTSIDE:
        return f'"{name}": nothing in {home}/ may depend on {from_home}/'
    return f'"{name}": {home}/ may not include from {from_home}/ (the table in tools/check_layers.py)'


def check_kernel_calls(path: pathlib.Path, text: str) -> Iterator[Violation]:
    if home_of(path.as_posix()) in OUTSIDE:
        return
    if path.as_posix().startswith(tuple(f"{home}/" for home in MAY_CALL_KERNEL)):
        return
    for number, line in enumerate(without_comments(text).splitlines(), start=1):
        match = KERNEL_CALL.search(line)
        if match:
            call = match.group(0).rstrip('( "')
            yield Violation(path, number, f"{call}: file operations go through nacre::FileSystem")


def check_pragma_once(path: pathlib.Path, text: str) -> Iterator[Violation]:
    if path.suffix == ".h" and "#pragma once" not in text:
        yield Violation(path, 1, "a header says #pragma once")


def check_listed(root: pathlib.Path, path: pathlib.Path) -> Iterator[Violation]:
    """A .cc, or a public header, that no CMakeLists.txt above it names is never built."""
    if path.suffix == ".h" and home_of(path.as_posix()) != "include/nacre":
        return
    for directory in path.parents:
        lists = root / directory / "CMakeLists.txt"
        if not lists.exists():
            continue
        name = re.escape(path.relative_to(directory).as_posix())
        if re.search(rf"((?<![\w/.-])|(?<=\}}/)){name}(?![\w.-])", lists.read_text(encoding="utf-8")):
            return
    yield Violation(path, 1, "no CMakeLists.txt names this file, so it is not built")


def without_comments(text: str) -> str:
    """`text` with comments emptied and every line where it was."""
    text = BLOCK_COMMENT.sub(lambda match: "\n" * match.group(0).count("\n"), text)
    return LINE_COMMENT.sub("", text)


def main() -> int:
    default = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    found = violations(root)
    for violation in found:
        print(violation)
    if found:
        print(f"{len(found)} broken rules")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
