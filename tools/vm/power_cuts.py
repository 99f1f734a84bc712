"""Cuts the power of the machine's disk under the workloads of tests/vm, again and again.

The disk forgets what was not flushed, but for a random part of it (volatile_disk.py). Most cuts leave
the machine running: its file system fails, is unmounted, and mounted again from what is left on the
disk. Every few cuts the machine is killed in the same instant, and boots again. After each cut the
workload's program recovers, compares with what had been acknowledged, and goes on to the next.
"""

import json
import pathlib
import random
import shutil
import time
from typing import NamedTuple

import media
from guest import Guest, GuestDied, Options, quoted
from machine import Machine
from volatile_disk import VolatileDisk

WORKLOADS = ("wal", "log", "store", "compaction")


class FileSystem(NamedTuple):
    """A way to make one, and the bytes that its disk keeps or loses whole."""

    make: str
    sector: int


_EXT4 = "mkfs.ext4 -q -F -m 0 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0"
# A journal with checksums (the default of mkfs.ext4) counts on a disk that tears no block: the kernel
# takes a torn commit block for a broken journal and does not mount it (jbd2_journal_load, Linux 6.1).
FILE_SYSTEMS = {
    "ext4": FileSystem(_EXT4, 4096),
    "ext4-torn": FileSystem(f"{_EXT4} -O ^metadata_csum", 512),
    "xfs": FileSystem("mkfs.xfs -q -f -K", 512),
}
DEVICE = "/dev/vda"
PLACE = "/mnt/disk"
# Not by mountpoint(1): what a file system that has failed says of its root is EIO.
MOUNTED = f"grep -q ' {PLACE} ' /proc/mounts"
# The kernel lets go of the files of an io_uring some time after its process has gone.
UNMOUNT = (f"for i in $(seq 600); do {MOUNTED} || exit 0; umount {PLACE} && exit 0; "
           "sleep 0.1; done; exit 1")
PROGRAM = "nacre_cut_work"

# The smaller, the sooner it is formatted; mkfs.xfs asks for 300 MiB at least.
DISK_BYTES = 512 << 20
# A disk lives through so many cuts, then there is a fresh one.
CUTS_A_DISK = 25
# One cut in so many kills the machine with the disk.
KILL_ONE_IN = 8
# What nacre_cut_work says when it has met the failing disk.
DISK_FAILED = 3
ENDLESS = 1_000_000

PROVES_NOTHING = "this proves nothing: no cut found anything to lose"


class Failed(Exception):
    """Something is lost, or back; says where the images are."""


class Tally:
    """What a run has met: one that met nothing proves nothing."""

    def __init__(self) -> None:
        self.cuts = 0
        self.kills = 0
        self.unflushed = 0
        self.kept = 0
        self.acknowledged = 0
        self.checks = 0

    def text(self) -> str:
        return (f"{self.cuts} power cuts ({self.kills} with the machine), {self.checks} recoveries "
                f"compared, {self.acknowledged} operations acknowledged, "
                f"{self.unflushed} unflushed sectors of which {self.kept} survived; "
                "nothing lost, nothing back")

    def proves_something(self) -> bool:
        return self.checks > 0 and self.acknowledged > 0 and self.unflushed > self.kept


class Cut(NamedTuple):
    """One disk's life between two cuts."""

    number: int
    file_system: str
    workload: str
    seed: int


class PowerCuts:
    """A machine and its disk under one file system, for some cuts."""

    def __init__(self, machine: Machine, folder: pathlib.Path, seed: int, file_system: str,
                 tally: Tally) -> None:
        self._machine = machine
        self._folder = folder
        self._seed = seed
        self._made_by, sector = FILE_SYSTEMS[file_system]
        self._file_system = file_system
        self._tally = tally
        self._random = random.Random(f"{seed} {file_system}")
        image = media.blank_disk(folder, size=DISK_BYTES)
        self._disk = VolatileDisk(image, folder / "disk.socket", self._random.getrandbits(63), sector)
        try:
            self._guest = self._boot()
        except BaseException:
            self._disk.close()
            raise

    def close(self) -> None:
        self._guest.kill()
        self._disk.close()

    def run(self, cuts: int, deadline: float = float("inf")) -> None:
        self._format()
        for number in range(cuts):
            if time.monotonic() > deadline:
                break
            workload = self._random.choice(WORKLOADS)
            self._one_cut(Cut(number, self._file_system, workload, self._seed))
        # What the last cuts left.
        self._disk.restore()
        for workload in WORKLOADS:
            self._write(Cut(cuts, self._file_system, workload, self._seed), 0)

    def _boot(self) -> Guest:
        return Guest(self._machine, self._folder / "out", Options(cached_disks=[self._disk.name]))

    def _format(self) -> None:
        # What mkfs wrote is on the media: it ends with a flush.
        self._guest.expect(f"{self._made_by} {DEVICE} && {self._mounting()}")

    def _mounting(self) -> str:
        return f"{MOUNTED} || mount {DEVICE} {PLACE}"

    def _one_cut(self, cut: Cut) -> None:
        self._disk.remember(self._ledger(cut))
        with_machine = self._random.randrange(KILL_ONE_IN) == 0
        # Short and long lives alike: in the first requests are the journal's replay and the recovery.
        writes = int(2 ** self._random.uniform(2, 10))
        self._disk.cut_after(writes, self._guest.kill if with_machine else lambda: None)
        try:
            self._write(cut, ENDLESS)
            self._disk.cut()
            unmounted = self._guest.run(UNMOUNT, 300)
            if unmounted.status != 0:
                raise GuestDied(f"cannot unmount: {unmounted.output}")
        except GuestDied as why:
            if not with_machine or not self._disk.was_cut.is_set():
                raise self._failure(cut, f"the machine: {why}") from why
            self._guest.kill()
        self._disk.restore()
        if with_machine:
            self._tally.kills += 1
            self._guest.kill()
            self._guest = self._boot()
        self._tally.cuts += 1
        unflushed, kept = self._disk.cut_report or (0, 0)
        self._tally.unflushed += unflushed
        self._tally.kept += kept

    def _write(self, cut: Cut, operations: int) -> None:
        """Mounts, recovers and compares, and goes on until the disk fails."""
        mounted = self._guest.run(self._mounting(), 300)
        if mounted.status != 0:
            if self._disk.was_cut.is_set() and operations != 0:
                return
            said = self._guest.run("dmesg | tail -5", 60).output
            raise self._failure(cut, f"cannot mount: {mounted.output}{said}")
        ledger = self._ledger(cut)
        before = acknowledged(ledger)
        ended = self._guest.run(
            command(self._machine, cut, f"/mnt/out/{ledger.name}", operations), 300)
        self._tally.acknowledged += acknowledged(ledger) - before
        if "checked" in ended.output:
            self._tally.checks += 1
        elif operations == 0:
            raise self._failure(cut, ended.output)
        allowed = (0, DISK_FAILED) if self._disk.was_cut.is_set() else (0,)
        if ended.status not in allowed:
            raise self._failure(cut, ended.output)

    def _ledger(self, cut: Cut) -> pathlib.Path:
        return self._folder / "out" / f"ledger-{cut.workload}"

    def _failure(self, cut: Cut, what: str) -> Failed:
        kept = self._machine.cache / "failures" / f"{cut.file_system}-{cut.seed}-{cut.number}"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        self._disk.save_remembered(kept / "disk.img", kept / "ledger")
        (kept / "cut.json").write_text(json.dumps(cut._asdict()))
        (kept / "output").write_text(what)
        return Failed(f"after cut {cut.number} under {cut.file_system}, {cut.workload}:\n{what}\n"
                      f"The disk as it was before that recovery: {kept}\n"
                      f"Recover from it again: ./dev vm replay {kept}")


def command(machine: Machine, cut: Cut, ledger: str, operations: int) -> str:
    return quoted(machine.build / "tests" / PROGRAM, cut.workload, f"{PLACE}/{cut.workload}", cut.seed, ledger, operations)


def acknowledged(ledger: pathlib.Path) -> int:
    if not ledger.exists():
        return 0
    content = ledger.read_bytes()
    return sum(int.from_bytes(content[at:at + 8], "little") for at in range(0, len(content), 8))


def replay(machine: Machine, kept: pathlib.Path, folder: pathlib.Path) -> int:
    """Recovers once more from what a failure has left; returns the program's status."""
    cut = Cut(**json.loads((kept / "cut.json").read_text()))
    disk = folder / "disk.img"
    shutil.copyfile(kept / "disk.img", disk)
    (folder / "out").mkdir()
    shutil.copyfile(kept / "ledger", folder / "out" / "ledger")
    with Guest(machine, folder / "out", Options(cached_disks=[str(disk)])) as guest:
        guest.expect(f"mount {DEVICE} {PLACE}")
        return guest.run(command(machine, cut, "/mnt/out/ledger", 0), show=True).status
