"""Kills the machine while its workloads write to an NVDIMM through mappings, and boots it again.

Such a kill loses no store that was made: QEMU's NVDIMM is memory of the host. What it leaves half done
is what recovery has to tell from what is whole; which stores of it may be missing is for the crash
explorer to try (docs/crash_testing.md).
"""

import pathlib
import random
import time

import media
import power_cuts
from guest import Guest, GuestDied, Options
from machine import Machine
from power_cuts import ENDLESS, PLACE, WORKLOADS, Cut, Failed

DEVICE = "/dev/pmem0"
WRITING_SECONDS = 300
MAKE = {"ext4": "mkfs.ext4 -q -F -b 4096", "xfs": "mkfs.xfs -q -f -m reflink=0"}


def run(machine: Machine, folder: pathlib.Path, seed: int, file_system: str, kills: int) -> str:
    """Returns what happened as a sentence. Raises power_cuts.Failed."""
    numbers = random.Random(f"{seed} nvdimm {file_system}")
    nvdimm = media.blank_nvdimm(machine, folder, "fsdax")
    share = folder / "out"
    options = Options(nvdimms=[nvdimm])
    mount = f"mount -o dax {DEVICE} {PLACE}"
    acknowledged = 0
    guest = Guest(machine, share, options)
    try:
        guest.expect(f"{MAKE[file_system]} {DEVICE} && {mount} && sync")
        for number in range(kills):
            workload = numbers.choice(WORKLOADS)
            cut = Cut(number, file_system, workload, seed)
            ledger = share / f"ledger-{workload}"
            goal = power_cuts.acknowledged(ledger) + numbers.randrange(10, 150)
            running = guest.start(
                power_cuts.command(machine, cut, f"/mnt/out/{ledger.name}", ENDLESS))
            _wait_for(guest, running, ledger, goal)
            guest.kill()
            guest = Guest(machine, share, options)
            guest.expect(mount)
            ended = guest.run(power_cuts.command(machine, cut, f"/mnt/out/{ledger.name}", 0), 200)
            if ended.status != 0:
                raise Failed(f"after kill {number} of a machine with {file_system} on an NVDIMM, "
                             f"{workload}, seed {seed}:\n{ended.output[-3000:]}")
        acknowledged = sum(power_cuts.acknowledged(share / f"ledger-{name}") for name in WORKLOADS)
    finally:
        guest.kill()
    return f"{kills} kills, {acknowledged} operations acknowledged, nothing lost, nothing back"


def _wait_for(guest: Guest, running: str, ledger: pathlib.Path, goal: int) -> None:
    """Until so many operations are acknowledged; the writers must not end before."""
    deadline = time.monotonic() + WRITING_SECONDS
    while (done := power_cuts.acknowledged(ledger)) < goal:
        if time.monotonic() > deadline:
            raise GuestDied(f"the writers have {done} operations of {goal} acknowledged after "
                            f"{WRITING_SECONDS} s, and run on")
        ended = guest.poll(running)
        if ended is not None:
            raise GuestDied(f"the writers ended with {ended.status}:\n{ended.output[-3000:]}")
        time.sleep(0.01)
