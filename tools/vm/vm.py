#!/usr/bin/env python3
"""nacre in a virtual machine with persistent memory and an NVMe disk: what `./dev vm` runs.

    vm.py run [COMMAND...]          boots, runs COMMAND there in the current folder, returns its status
    vm.py soak [--minutes N|--cuts N] [--seed S]
                                    cuts the disk's power under every workload and file system
    vm.py test [--cuts N]           every suite of the machine, and N power cuts; 77: cannot be had here
    vm.py replay FOLDER             recovers again from what a failed cut has left
"""

import argparse
import itertools
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

import faults
import machine
import media
import nvdimm_kills
import packages
import power_cuts
import run_suites
from guest import Guest, GuestDied, Options, quoted
from run_suites import Outcome
from suites import BOOTS

SKIPPED = 77
DEFAULT_CUTS = 40


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
    replay = commands.add_parser("replay")
    replay.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    # So that the machine is killed and its images are removed on that way out, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        commands_by_name = {"run": run_command, "soak": run_soak, "replay": run_replay,
                            "test": run_tests}
        return commands_by_name[arguments.what](arguments)
    except packages.Unavailable as why:
        print(f"vm: skipped: {why}", file=sys.stderr)
        return SKIPPED
    except (GuestDied, power_cuts.Failed) as why:
        print(f"vm: {why}", file=sys.stderr)
        return 1


def run_command(arguments: argparse.Namespace) -> int:
    ready = machine.prepare()
    command = arguments.command or ["uname", "-a"]
    # One word is a line of shell, several are a command and its arguments.
    line = command[0] if len(command) == 1 else quoted(*command)
    with tempfile.TemporaryDirectory(dir=ready.cache, prefix="run-") as folder:
        here = pathlib.Path(folder)
        options = Options(cpu=arguments.cpu, persistence="cpu" if arguments.eadr else "mem-ctrl",
                          nvdimms=[media.blank_nvdimm(ready, here, "fsdax"),
                                   media.blank_nvdimm(ready, here, "devdax")],
                          disks=[str(media.blank_disk(here))])
        with Guest(ready, here / "out", options) as guest:
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
        with tempfile.TemporaryDirectory(dir=ready.cache, prefix="run-") as folder:
            cuts = power_cuts.PowerCuts(ready, pathlib.Path(folder), seed, next(file_systems), tally)
            try:
                cuts.run(min(power_cuts.CUTS_A_DISK, wanted - tally.cuts), deadline)
            finally:
                cuts.close()
        print(tally.text(), flush=True)
        seed += 1
    if not tally.proves_something():
        print("vm: that proves nothing: no cut found anything to lose", file=sys.stderr)
        return 1
    return 0


def run_tests(arguments: argparse.Namespace) -> int:
    ready = machine.prepare()
    outcomes: list[Outcome] = []

    def report(outcome: Outcome) -> None:
        outcomes.append(outcome)
        skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
        print(f"{'FAILED' if outcome.failed else 'passed'}  {outcome.seconds:5.0f} s  {outcome.name}: "
              f"{outcome.tests} tests{skipped}\n{outcome.detail}".rstrip(), flush=True)

    for boot in BOOTS:
        if arguments.only in boot.name:
            with tempfile.TemporaryDirectory(dir=ready.cache, prefix="run-") as folder:
                run_suites.run(ready, boot, pathlib.Path(folder), report)
    others = {"device faults": lambda folder: faults.run(ready, folder, report)}
    for file_system in power_cuts.FILE_SYSTEMS:
        others[f"power cuts, {file_system}"] = lambda folder, name=file_system: report(
            cut_power(ready, folder, name, arguments.cuts // len(power_cuts.FILE_SYSTEMS)))
        others[f"killed with an NVDIMM, {file_system}"] = lambda folder, name=file_system: report(
            kill_machine(ready, folder, name, arguments.cuts // 20))
    for name, check in others.items():
        if arguments.only in name:
            with tempfile.TemporaryDirectory(dir=ready.cache, prefix="run-") as folder:
                check(pathlib.Path(folder))
    total = sum(outcome.tests for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    # As ctest says it, for whoever counts.
    print(f"{100 * (total - failed) // max(total, 1)}% tests passed, {failed} tests failed out of {total}")
    return 1 if failed else 0


def cut_power(ready: machine.Machine, folder: pathlib.Path, file_system: str, cuts: int) -> Outcome:
    """Always the same seed: other choices are for `soak`."""
    began = time.monotonic()
    tally = power_cuts.Tally()
    wrong = ""
    disk = power_cuts.PowerCuts(ready, folder, 1, file_system, tally)
    try:
        disk.run(cuts)
    except (GuestDied, power_cuts.Failed) as why:
        wrong = str(why)
    finally:
        disk.close()
    if not wrong and not tally.proves_something():
        wrong = "it proves nothing: no cut found anything to lose"
    return Outcome(f"power cuts, {file_system}: {tally.text()}", tests=max(tally.cuts, 1),
                   failed=1 if wrong else 0, detail=wrong, seconds=time.monotonic() - began)


def kill_machine(ready: machine.Machine, folder: pathlib.Path, file_system: str, kills: int) -> Outcome:
    began = time.monotonic()
    told, wrong = "", ""
    try:
        told = nvdimm_kills.run(ready, folder, 1, file_system, kills)
    except (GuestDied, power_cuts.Failed) as why:
        wrong = str(why)
    return Outcome(f"killed with an NVDIMM, {file_system}: {told}", tests=kills,
                   failed=1 if wrong else 0, detail=wrong, seconds=time.monotonic() - began)


def run_replay(arguments: argparse.Namespace) -> int:
    ready = machine.prepare()
    with tempfile.TemporaryDirectory(dir=ready.cache, prefix="run-") as folder:
        return power_cuts.replay(ready, arguments.folder, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
