"""What a virtual machine is booted from: programs, kernel, initramfs, in a cache under build/."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
from typing import Iterator, NamedTuple

import initramfs
import packages

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# What the folders of single runs begin with.
RUN = "run-"


class Machine(NamedTuple):
    cache: pathlib.Path
    kernel: pathlib.Path
    initramfs: pathlib.Path
    # The command line of QEMU up to its options, and what its libraries are found by.
    qemu: list[str]
    environment: dict[str, str]
    # Whose programs run in it, and with which variables.
    build: pathlib.Path = ROOT / "build" / "dev"
    variables: dict[str, str] = {}

    @property
    def prefix(self) -> pathlib.Path:
        return self.cache / "prefix"

    def exports(self) -> str:
        """What the guest puts before its own commands: it sees the cache where the host does."""
        folders = ":".join(str(self.prefix / where) for where in ("sbin", "usr/sbin", "usr/bin"))
        libraries = ":".join(_libraries(self.prefix))
        return "\n".join([f"export PATH={folders}:$PATH LD_LIBRARY_PATH={libraries}",
                          *(f"export {name}={value}" for name, value in self.variables.items())])


def prepare() -> Machine:
    """Fetches and builds what is missing. Raises packages.Unavailable."""
    if os.uname().machine != "x86_64":
        raise packages.Unavailable(f"it is an x86-64 machine, and this host {os.uname().machine}")
    cache = ROOT / "build" / "vm"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache):
        _remove_left_over(cache)
        packages.unpack(ROOT, cache)
        machine = _machine(cache)
        init = HERE / "init.sh"
        sources = (init, HERE / "initramfs.py", cache / "packages")
        newest = max(path.stat().st_mtime for path in sources)
        if not machine.initramfs.exists() or machine.initramfs.stat().st_mtime < newest:
            initramfs.build(cache, init, _program(cache / "prefix", "busybox"))
    return machine


@contextlib.contextmanager
def scratch(machine: Machine) -> Iterator[pathlib.Path]:
    """A folder for one run, removed at its end. It is locked meanwhile: prepare() removes what runs
    that were killed have left."""
    with locked(machine.cache):
        folder = pathlib.Path(tempfile.mkdtemp(dir=machine.cache, prefix=RUN))
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(descriptor)


def _remove_left_over(cache: pathlib.Path) -> None:
    for folder in cache.glob(f"{RUN}*"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        except BlockingIOError:
            pass  # It runs.
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def locked(cache: pathlib.Path) -> Iterator[None]:
    with (cache / "lock").open("w") as file:
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
