"""What a virtual machine is booted from: programs, kernel, initramfs, in a cache under build/."""

import contextlib
import fcntl
import os
import pathlib
import shutil
from typing import Iterator, NamedTuple

import initramfs
import packages

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Machine(NamedTuple):
    cache: pathlib.Path
    kernel: pathlib.Path
    initramfs: pathlib.Path
    # The command line of QEMU up to its options, and what its libraries are found by.
    qemu: list[str]
    environment: dict[str, str]

    @property
    def prefix(self) -> pathlib.Path:
        return self.cache / "prefix"

    def program_paths(self) -> str:
        """What the guest puts before its own commands: it sees the cache where the host does."""
        folders = ":".join(str(self.prefix / where) for where in ("sbin", "usr/sbin", "usr/bin"))
        libraries = ":".join(_libraries(self.prefix))
        return f"export PATH={folders}:$PATH LD_LIBRARY_PATH={libraries}"


def prepare() -> Machine:
    """Fetches and builds what is missing. Raises packages.Unavailable."""
    if os.uname().machine != "x86_64":
        raise packages.Unavailable(f"it is an x86-64 machine, and this host {os.uname().machine}")
    cache = ROOT / "build" / "vm"
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        packages.unpack(ROOT, cache)
        machine = _machine(cache)
        init = HERE / "init.sh"
        sources = (init, HERE / "initramfs.py", cache / "packages")
        newest = max(path.stat().st_mtime for path in sources)
        if not machine.initramfs.exists() or machine.initramfs.stat().st_mtime < newest:
            initramfs.build(cache, init, _program(cache / "prefix", "busybox"))
    return machine


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _program(prefix: pathlib.Path, name: str) -> pathlib.Path:
    """The unpacked program, or the host's own where that was installed already."""
    for folder in ("usr/bin", "bin"):
        if (prefix / folder / name).exists():
            return prefix / folder / name
    found = shutil.which(name)
    if found is None:
        raise packages.Unavailable(f"no {name}, neither unpacked nor installed")
    return pathlib.Path(found)


def _libraries(prefix: pathlib.Path) -> list[str]:
    return [str(prefix / where) for where in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")]


def _machine(cache: pathlib.Path) -> Machine:
    prefix = cache / "prefix"
    qemu = _program(prefix, "qemu-system-x86_64")
    command = [str(qemu)]
    environment = dict(os.environ)
    if qemu.is_relative_to(prefix):
        environment["LD_LIBRARY_PATH"] = ":".join(_libraries(prefix))
        environment["QEMU_MODULE_DIR"] = str(prefix / "usr/lib/x86_64-linux-gnu/qemu")
        for folder in ("qemu", "seabios"):
            command += ["-L", str(prefix / "usr/share" / folder)]
        command += ["-L", str(prefix / "usr/lib/ipxe/qemu")]
    return Machine(cache, cache / "vmlinux", cache / "initramfs.cpio", command, environment)
