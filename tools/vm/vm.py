#!/usr/bin/env python3
"""nacre in a virtual machine with persistent memory and an NVMe disk: what `./dev vm` runs.

    vm.py run [COMMAND...]     boots, runs COMMAND there in the current folder, returns its status
    vm.py test [--cuts N]      every suite of the machine, and N power cuts; 77: it cannot be had here
    vm.py programs             names what test runs, for it to be built
    vm.py soak [--minutes N|--cuts N] [--seed S]
                               cuts the disk's power under every workload and file system
    vm.py replay FOLDER        recovers again from what a failed cut has left
"""

import argparse
import itertools
import os
import pathlib
import random
import signal
import sys
import time

import machine
import media
import packages
import power_cuts
import stage
from guest import Guest, GuestDied, Options, quoted

SKIPPED = 77
DEFAULT_CUTS = 100
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev vm", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="what", required=True)
    run = commands.add_parser("run")
    run.add_argument("--cpu", default="max", help="QEMU's name of the processor: max,-clwb")
    run.add_argument("--eadr", action="store_true", help="caches are saved at a power cut, too")
    run.add_argument("command", nargs=argparse.REMAINDER)
    soak = commands.add_parser("soak")
    soak.add_argument("--minutes", type=float, default=10)
    soak.add_argument("--cuts", type=int, help="so many, however long it takes")
    soak.add_argument("--seed", type=int, default=None)
    test = commands.add_parser("test")
    test.add_argument("--cuts", type=int, default=DEFAULT_CUTS)
    test.add_argument("--only", default="", help="what has this in its name")
    commands.add_parser("programs")
    replay = commands.add_parser("replay")
    replay.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    for number in ENDS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    try:
        commands_by_name = {"run": run_command, "soak": run_soak, "replay": run_replay,
                            "test": run_tests, "programs": name_programs}
        return commands_by_name[arguments.what](arguments)
    except packages.Unavailable as why:
        print(f"vm: skipped: {why}", file=sys.stderr)
        return SKIPPED
    except (GuestDied, power_cuts.Failed) as why:
        print(f"vm: {why}", file=sys.stderr)
        return 1


def _end(number: int, _frame: object) -> None:
    """On that way out, too, the machine is killed and its images are removed; once is enough."""
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def run_command(arguments: argparse.Namespace) -> int:
    ready = machine.prepare()
    command = arguments.command or ["uname", "-a"]
    # One word is a line of shell, several are a command and its arguments.
    line = command[0] if len(command) == 1 else quoted(*command)
    with machine.scratch(ready) as folder:
        options = Options(cpu=arguments.cpu, persistence="cpu" if arguments.eadr else "mem-ctrl",
                          nvdimms=[media.blank_nvdimm(ready, folder, "fsdax"),
                                   media.blank_nvdimm(ready, folder, "devdax")],
                          disks=[str(media.blank_disk(folder))])
        with Guest(ready, folder / "out", options) as guest:
            ended = guest.run(f"cd {quoted(os.getcwd())} && {line}", seconds=3600, show=True)
            guest.power_off()
    return ended.status


def run_soak(arguments: argparse.Namespace) -> int:
    ready = machine.prepare()
    seed = random.getrandbits(31) if arguments.seed is None else arguments.seed
    print(f"Power cuts: the same choices again with --seed {seed}", flush=True)
    tally = power_cuts.Tally()
    deadline = float("inf") if arguments.cuts else time.monotonic() + 60 * arguments.minutes
    wanted = arguments.cuts or sys.maxsize
    file_systems = itertools.cycle(power_cuts.FILE_SYSTEMS)
    while tally.cuts < wanted and time.monotonic() < deadline:
        with machine.scratch(ready) as folder:
            cuts = power_cuts.PowerCuts(ready, folder, seed, next(file_systems), tally)
            try:
                cuts.run(min(power_cuts.CUTS_A_DISK, wanted - tally.cuts), deadline)
            finally:
                cuts.close()
        print(tally.text(), flush=True)
        seed += 1
    if not tally.proves_something():
        print(f"vm: {power_cuts.PROVES_NOTHING}", file=sys.stderr)
        return 1
    return 0


def run_tests(arguments: argparse.Namespace) -> int:
    return stage.run(machine.prepare(), arguments.cuts, arguments.only)


def name_programs(_: argparse.Namespace) -> int:
    print(*stage.programs())
    return 0


def run_replay(arguments: argparse.Namespace) -> int:
    ready = machine.prepare()
    with machine.scratch(ready) as folder:
        return power_cuts.replay(ready, arguments.folder, folder)


if __name__ == "__main__":
    sys.exit(main())
