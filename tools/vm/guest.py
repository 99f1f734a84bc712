"""One run of the virtual machine: boots, runs commands, is powered off or killed.

The host's root is the machine's, read-only, so that what was built here runs there under the same
path. /mnt/out is a folder shared with the host, /mnt/tmp memory. Devices: NVDIMMs are /dev/pmem0 or
/dev/dax0.0 and on, /dev/nvme0n1 and on are namespaces of one NVMe controller, /dev/vda and on disks
with a write cache that is told to flush.
"""

import pathlib
import queue
import shlex
import shutil
import subprocess
import sys
import threading
import time
from typing import IO, NamedTuple, Sequence

from machine import Machine

NVDIMM_BYTES = 512 << 20
# Emulated, a boot takes 4 seconds on two idle cores.
BOOT_SECONDS = 180
# A machine that does not come up says nothing of nacre: it is started again.
BOOT_TRIES = 3


# Those that run, of all threads; None once none may any more.
_running: "set[subprocess.Popen[str]] | None" = set()
_running_lock = threading.Lock()


def kill_all() -> None:
    """For the way out: every machine is killed, and no other one boots. Thread safe."""
    global _running
    with _running_lock:
        for qemu in _running or ():
            qemu.kill()
        _running = None


class GuestDied(Exception):
    """The machine ended while a command was under way."""


class Ended(NamedTuple):
    status: int
    output: str


class Options(NamedTuple):
    cpu: str = "max"
    # What the platform saves at a power cut: "mem-ctrl" what has reached the memory controller,
    # "cpu" the caches, too.
    persistence: str = "mem-ctrl"
    nvdimms: Sequence[pathlib.Path] = ()
    # QEMU's names of what stands behind each namespace: a file, or nbd+unix:///?socket=PATH.
    disks: Sequence[str] = ()
    # The same, as virtio disks. QEMU's NVMe controller (7.2) passes over the FUA bit of a write, which
    # Linux sets for O_DSYNC; without a cache behind it that does no harm.
    cached_disks: Sequence[str] = ()
    memory_mib: int = 2048


class Guest:
    def __init__(self, machine: Machine, share: pathlib.Path, options: Options = Options()) -> None:
        self._machine = machine
        self.share = share
        share.mkdir(parents=True, exist_ok=True)
        self._commands = 0
        for attempt in range(1, BOOT_TRIES + 1):
            try:
                self._boot(options)
                return
            except GuestDied as why:
                if attempt == BOOT_TRIES or _running is None:
                    raise GuestDied(f"it did not boot, {BOOT_TRIES} times: {why}") from None
                print(f"vm: it did not boot, try {attempt} of {BOOT_TRIES}: {why}", file=sys.stderr,
                      flush=True)

    def __enter__(self) -> "Guest":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, command: str) -> str:
        """Hands over a command and does not wait; returns its name for wait()."""
        self._commands += 1
        name = f"command{self._commands}"
        text = f"{self._machine.exports()}\n{command}\n"
        (self.share / f"{name}.sh").write_text(text)
        assert self._qemu.stdin is not None
        try:
            self._qemu.stdin.write(name + "\n")
            self._qemu.stdin.flush()
        except BrokenPipeError:
            raise GuestDied(self._last_words()) from None
        return name

    def wait(self, name: str, seconds: float = 600, show: bool = False) -> Ended:
        """The end of a command, whose output goes to standard output meanwhile when `show`."""
        log = self.share / f"{name}.log"
        shown = 0
        deadline = time.monotonic() + seconds
        while True:
            line = self._next_line(0.2 if show else max(deadline - time.monotonic(), 0.1))
            if show and log.exists():
                with log.open("rb") as file:
                    file.seek(shown)
                    shown += sys.stdout.buffer.write(file.read())
                sys.stdout.flush()
            if line is not None and line.split()[:1] == [name]:
                return Ended(int(line.split()[1]), log.read_text(errors="replace"))
            if time.monotonic() > deadline:
                # It runs one command at a time: none of those that follow would be run.
                said = log.read_text(errors="replace")[-3000:] if log.exists() else ""
                self.kill()
                raise GuestDied(f"no end of a command after {seconds:.0f} s, which had said:\n{said}\n"
                                f"{self._logs()}")

    def poll(self, name: str) -> Ended | None:
        """The end of a command, if it has ended."""
        line = self._next_line(0.001)
        if line is None or line.split()[:1] != [name]:
            return None
        return Ended(int(line.split()[1]), (self.share / f"{name}.log").read_text(errors="replace"))

    def run(self, command: str, seconds: float = 600, show: bool = False) -> Ended:
        return self.wait(self.start(command), seconds, show)

    def expect(self, command: str, seconds: float = 600) -> str:
        """run(), for what has to succeed."""
        ended = self.run(command, seconds)
        if ended.status != 0:
            raise GuestDied(f"{command}\nended with {ended.status}:\n{ended.output[-4000:]}")
        return ended.output

    def power_off(self) -> None:
        """In order: everything is written back."""
        assert self._qemu.stdin is not None
        try:
            self._qemu.stdin.write("poweroff\n")
            self._qemu.stdin.flush()
            self._qemu.wait(60)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            pass
        self.kill()

    def kill(self) -> None:
        """The plug: nothing of the guest runs on."""
        self._qemu.kill()
        self._qemu.wait()
        with _running_lock:
            if _running is not None:
                _running.discard(self._qemu)

    def _boot(self, options: Options) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        command = [*_ends_with_its_parent(), *self._command_line(options)]
        with (self.share / "qemu.log").open("w") as log, _running_lock:
            if _running is None:
                raise GuestDied("no machine boots any more")
            self._qemu = subprocess.Popen(command, env=self._machine.environment,
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                          text=True)
            _running.add(self._qemu)
        try:
            threading.Thread(target=_listen, args=(self._qemu.stdout, self._lines),
                             daemon=True).start()
            self._await("ready", BOOT_SECONDS)
        except BaseException:
            self.kill()
            raise

    def _next_line(self, seconds: float) -> str | None:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        if line is None:
            self._lines.put(None)
            raise GuestDied(self._last_words())
        return line

    def _await(self, word: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            line = self._next_line(1)
            if line is not None and line.split()[:1] == [word]:
                return
        raise GuestDied(f"no '{word}' after {seconds:.0f} s; {self._logs()}")

    def _last_words(self) -> str:
        return f"the machine has ended; {self._logs()}"

    def _logs(self) -> str:
        return "\n".join(f"{name}: {path.read_text(errors='replace')[-1500:]}"
                         for name in ("qemu.log", "console.log")
                         if (path := self.share / name).exists())

    def _command_line(self, options: Options) -> list[str]:
        command = [
            *self._machine.qemu, "-accel", "tcg,thread=multi", "-cpu", options.cpu, "-smp", "2",
            "-machine", f"q35,nvdimm=on,nvdimm-persistence={options.persistence},"
                        "smm=off,usb=off,vmport=off,hpet=off",
            "-m", f"{options.memory_mib}M,slots=4,maxmem=16G",
            "-nodefaults", "-display", "none", "-no-reboot", "-nic", "none",
            "-serial", f"file:{_value(self.share)}/console.log", "-serial", "stdio",
            "-kernel", str(self._machine.kernel), "-initrd", str(self._machine.initramfs),
            "-append", "console=ttyS0 panic=-1 quiet nokaslr mitigations=off random.trust_cpu=1 "
                       "tsc=reliable no_timer_check",
        ]
        for number, (path, tag, mode) in enumerate((("/", "host", "on"), (self.share, "out", "off"))):
            command += ["-fsdev", f"local,id=fs{number},path={_value(path)},security_model=none,"
                                  f"readonly={mode},multidevs=remap",
                        "-device", f"virtio-9p-pci,fsdev=fs{number},mount_tag={tag}"]
        for number, path in enumerate(options.nvdimms):
            command += ["-object", f"memory-backend-file,id=mem{number},share=on,"
                                   f"mem-path={_value(path)},"
                                   f"size={NVDIMM_BYTES}",
                        "-device", f"nvdimm,memdev=mem{number},id=nvdimm{number}"]
        if options.disks:
            command += ["-device", "nvme,id=nvme,serial=nacre"]
        for number, disk in enumerate(options.disks):
            command += [*_drive(f"disk{number}", disk),
                        "-device", f"nvme-ns,drive=disk{number},bus=nvme,nsid={number + 1}"]
        for number, disk in enumerate(options.cached_disks):
            command += [*_drive(f"cached{number}", disk),
                        "-device", f"virtio-blk-pci,drive=cached{number}"]
        return command


def _listen(output: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in output:
        lines.put(line)
    lines.put(None)


def _ends_with_its_parent() -> list[str]:
    """What a command is put behind, so that it is killed when this process is killed (util-linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _value(text: object) -> str:
    """Inside an option of QEMU's a comma is written twice."""
    return str(text).replace(",", ",,")


def _drive(name: str, disk: str) -> list[str]:
    # Unless it is told to report errors, QEMU stops the machine when a disk is full.
    return ["-drive", f"file={_value(disk)},if=none,id={name},format=raw,werror=report,rerror=report"]


def quoted(*words: object) -> str:
    return shlex.join(str(word) for word in words)
