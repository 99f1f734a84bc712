"""Debian packages for the virtual machine, unpacked into a folder and never installed.

A kernel that is installed pulls in upgrades and a boot loader; unpacked it is a file and some modules.
The names stand in packages.txt, group `vm`. What the host has installed already is not fetched again.
"""

import pathlib
import shutil
import subprocess
import sys

# A package of the kernel's that only names the current one.
KERNEL = "linux-image-amd64"
# A download that breaks off is tried again; apt-get goes on with what it has.
FETCH_TRIES = 2
FETCH_SECONDS = 600


class Unavailable(Exception):
    """The machine cannot be had here: a reason to skip, and not a failure of nacre."""


def names(root: pathlib.Path) -> list[str]:
    """The packages of group `vm` in packages.txt."""
    lines = (root / "packages.txt").read_text().splitlines()
    rows = [line.split("#")[0].split() for line in lines]
    return [row[1] for row in rows if row and row[0] == "vm"]


def unpack(root: pathlib.Path, cache: pathlib.Path) -> None:
    """Fills cache/prefix (programs) and cache/kernel. Does nothing when they are there."""
    wanted = names(root)
    stamp = cache / "packages"
    if stamp.exists() and stamp.read_text().split() == wanted:
        return
    for tool in ("apt-get", "apt-cache", "dpkg"):
        if shutil.which(tool) is None:
            raise Unavailable(f"there is no {tool} to fetch Debian packages with")
    print(f"Fetching {', '.join(wanted)}, unpacked in {cache}, not installed: about 90 MB.",
          file=sys.stderr, flush=True)
    stamp.unlink(missing_ok=True)
    for folder in ("debs", "prefix", "kernel"):
        shutil.rmtree(cache / folder, ignore_errors=True)
    debs = cache / "debs"
    (debs / "partial").mkdir(parents=True)
    try:
        _unpack([name for name in wanted if name != KERNEL], debs, cache)
    finally:
        shutil.rmtree(debs)
    stamp.write_text("\n".join(wanted) + "\n")


def _unpack(programs: list[str], debs: pathlib.Path, cache: pathlib.Path) -> None:
    _fetch(debs, ["install", "-y", "--no-install-recommends", "--download-only", *programs])
    for package in debs.glob("*.deb"):
        _run(["dpkg", "-x", str(package), str(cache / "prefix")])
    kernel = _current_kernel()
    _fetch(debs, ["download", kernel])
    image = next(debs.glob(f"{kernel}_*.deb"), None)
    if image is None:
        raise Unavailable(f"apt-get download {kernel} has left no package")
    _run(["dpkg", "-x", str(image), str(cache / "kernel")])


def _current_kernel() -> str:
    depends = _run(["apt-cache", "depends", KERNEL])
    for line in depends.splitlines():
        if "Depends: linux-image-" in line:
            return line.split()[-1]
    raise Unavailable(f"the package lists know no {KERNEL}; run apt-get update")


def _fetch(debs: pathlib.Path, arguments: list[str]) -> None:
    """apt-get with an archive folder of its own: no lock of the system's, so no rights needed."""
    options = ["-q", "-q", "-o", "Debug::NoLocking=1", "-o", f"Dir::Cache::archives={debs}"]
    for attempt in range(1, FETCH_TRIES + 1):
        try:
            _run(["apt-get", *options, *arguments], folder=debs)
            return
        except Unavailable as why:
            if attempt == FETCH_TRIES:
                raise
            print(f"vm: try {attempt} of {FETCH_TRIES}: {why}", file=sys.stderr, flush=True)


def _run(command: list[str], folder: pathlib.Path | None = None) -> str:
    try:
        ended = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                               text=True, check=False, timeout=FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} has not ended in {FETCH_SECONDS} s") from None
    if ended.returncode != 0:
        said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
        # apt-get gives the reason first, and last that there was one.
        errors = [line for line in said if line.startswith("E:")] or said[-1:]
        why = errors[0] if errors else "no reason given"
        raise Unavailable(f"{command[0]} failed: {why}; perhaps apt-get update helps")
    return ended.stdout
