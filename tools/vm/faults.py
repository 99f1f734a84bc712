"""Faults of a device below the guest's file system: what nacre says then, and what is left after it.

Each check lets a workload of tests/vm run into the fault. It has to end with the error that the
kernel told it, and once the fault is gone everything acknowledged has to be there.
"""

import errno
import pathlib
import time
from typing import Callable

import media
import power_cuts
from guest import Guest, GuestDied, Options
from machine import Machine
from power_cuts import DISK_FAILED, ENDLESS, PLACE, UNMOUNT, Cut
from run_suites import Outcome, Report
from volatile_disk import VolatileDisk, no_fault

CACHED = "/dev/vda"
NVME = "/dev/nvme0n1"
FILE_SYSTEM = power_cuts.FILE_SYSTEMS["ext4"]


class Wrong(Exception):
    """It did not go as it has to."""


class Rig:
    """A machine with a disk of each kind, and a workload on one of them."""

    def __init__(self, machine: Machine, folder: pathlib.Path) -> None:
        self._machine = machine
        self.cached = _disk(folder, "cached")
        self.nvme = _disk(folder, "nvme")
        self.share = folder / "out"
        self._ledgers = 0
        options = Options(disks=[self.nvme.name], cached_disks=[self.cached.name])
        try:
            self.guest = Guest(machine, self.share, options)
        except BaseException:
            self._close_disks()
            raise

    def close(self) -> None:
        self.guest.kill()
        self._close_disks()

    def _close_disks(self) -> None:
        self.cached.close()
        self.nvme.close()

    def fresh(self, device: str, workload: str) -> str:
        """A new file system with some operations; returns the command but for their count."""
        self.guest.expect(f"{UNMOUNT}")
        self.guest.expect(f"{FILE_SYSTEM.make} {device} && mount {device} {PLACE}")
        self._ledgers += 1
        cut = Cut(0, "ext4", workload, self._ledgers)
        command = power_cuts.command(self._machine, cut, f"/mnt/out/ledger-{self._ledgers}", 0)[:-1]
        self.guest.expect(f"{command}50")
        return command

    def remount(self, device: str) -> None:
        self.guest.expect(UNMOUNT)
        self.guest.expect(f"mount {device} {PLACE}")

    def expect_failure(self, command: str, *words: str) -> None:
        ended = self.guest.run(command, 200)
        if ended.status != DISK_FAILED or not any(word in ended.output for word in words):
            raise Wrong(f"status {ended.status} instead of {DISK_FAILED} with one of {words}:\n"
                        f"{ended.output[-3000:]}")

    def expect_everything(self, command: str) -> None:
        ended = self.guest.run(f"{command}0", 200)
        if ended.status != 0:
            raise Wrong(f"after the fault, status {ended.status}:\n{ended.output[-3000:]}")


def _disk(folder: pathlib.Path, name: str) -> VolatileDisk:
    image = media.blank_disk(folder, f"{name}.img", power_cuts.DISK_BYTES)
    return VolatileDisk(image, folder / f"{name}.socket", 1, FILE_SYSTEM.sector)


def _write_error(rig: Rig) -> None:
    command = rig.fresh(CACHED, "log")
    rig.cached.fail(_from(20, "write", errno.EIO))
    rig.expect_failure(f"{command}{ENDLESS}", "io:")
    rig.guest.expect(UNMOUNT)
    rig.cached.fail(no_fault)
    rig.guest.expect(f"mount {CACHED} {PLACE}")
    rig.expect_everything(command)


def _flush_fails_once(rig: Rig) -> None:
    """And later ones succeed. Then the power fails: what was written before must not count."""
    command = rig.fresh(CACHED, "wal")
    rig.cached.fail(_only(15, "flush", errno.EIO))
    rig.expect_failure(f"{command}{ENDLESS}", "io:")
    rig.cached.cut()
    rig.guest.expect(UNMOUNT)
    rig.cached.fail(no_fault)
    rig.cached.restore()
    rig.guest.expect(f"mount {CACHED} {PLACE}")
    rig.expect_everything(command)


def _nvme_write_error(rig: Rig) -> None:
    """A failed write of an NVMe disk is ENODATA to a program; EIO where it was the file system's own."""
    command = rig.fresh(NVME, "log")
    rig.nvme.fail(_from(10, "write", errno.ENOSPC))
    rig.expect_failure(f"{command}{ENDLESS}", "No data available", "Input/output error")
    rig.guest.expect(UNMOUNT)
    rig.nvme.fail(no_fault)
    rig.guest.expect(f"mount {NVME} {PLACE}")
    rig.expect_everything(command)


def _read_error(rig: Rig) -> None:
    command = rig.fresh(NVME, "store")
    rig.remount(NVME)
    rig.guest.expect("sync; echo 3 >/proc/sys/vm/drop_caches")
    rig.nvme.fail(_from(1, "read", errno.EIO))
    rig.expect_failure(f"{command}0", "io:")
    rig.nvme.fail(no_fault)
    rig.remount(NVME)
    rig.expect_everything(command)


def _full_file_system(rig: Rig) -> None:
    command = rig.fresh(NVME, "store")
    # The last 512 KiB are for the writers to fill.
    most = f"$(($(df --output=avail -k {PLACE} | tail -1) - 512))K"
    rig.guest.expect(f"fallocate -l {most} {PLACE}/filler")
    rig.expect_failure(f"{command}{ENDLESS}", "no_space:")
    rig.guest.expect(f"rm {PLACE}/filler")
    rig.expect_everything(command)
    rig.guest.expect(f"{command}20")


def _vanishing_device(rig: Rig) -> None:
    """It is pulled out while writers run, and comes back."""
    command = rig.fresh(NVME, "store")
    rig.guest.expect(
        f"{command}{ENDLESS} >/mnt/out/vanished 2>&1 & writer=$!\n"
        "until grep -q checked /mnt/out/vanished; do kill -0 $writer || exit 1; done\n"
        "echo 1 >$(readlink -f /sys/class/nvme/nvme0/device)/remove\n"
        f"wait $writer; [ $? = {DISK_FAILED} ] || {{ cat /mnt/out/vanished; exit 1; }}", 200)
    rig.guest.expect(UNMOUNT)
    rig.guest.expect("echo 1 >/sys/bus/pci/rescan; for i in $(seq 600); do "
                     f"[ ! -b {NVME} ] || exit 0; sleep 0.1; done; exit 1")
    rig.guest.expect(f"mount {NVME} {PLACE}")
    rig.expect_everything(command)


def _from(first: int, kind: str, error: int) -> Callable[[str, int, int], int]:
    """Fails the so-manieth request of a kind, and all that follow."""
    seen = 0

    def fault(asked: str, _offset: int, _size: int) -> int:
        nonlocal seen
        seen += asked == kind
        return error if asked == kind and seen >= first else 0

    return fault


def _only(which: int, kind: str, error: int) -> Callable[[str, int, int], int]:
    seen = 0

    def fault(asked: str, _offset: int, _size: int) -> int:
        nonlocal seen
        seen += asked == kind
        return error if asked == kind and seen == which else 0

    return fault


CHECKS = {
    "a write fails": _write_error,
    "a flush fails once": _flush_fails_once,
    "an NVMe disk's write fails": _nvme_write_error,
    "reads fail": _read_error,
    "the file system is full": _full_file_system,
    "the device vanishes": _vanishing_device,
}


def run(machine: Machine, folder: pathlib.Path, report: Report) -> None:
    rig = Rig(machine, folder)
    try:
        for name, check in CHECKS.items():
            began = time.monotonic()
            wrong = ""
            try:
                check(rig)
            except (Wrong, GuestDied) as why:
                wrong = str(why)
            report(Outcome(f"device faults: {name}", failed=1 if wrong else 0, detail=wrong,
                           seconds=time.monotonic() - began))
            rig.cached.fail(no_fault)
            rig.nvme.fail(no_fault)
            rig.cached.restore()
    finally:
        rig.close()
