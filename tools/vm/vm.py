#!/usr/bin/env python3
"""nacre in a virtual machine with persistent memory and an NVMe disk: what `./dev vm` runs.

    vm.py run [COMMAND...]    boots, runs COMMAND there in the current folder, returns its status
"""

import argparse
import os
import pathlib
import sys
import tempfile

import machine
import media
import packages
from guest import Guest, GuestDied, Options, quoted

SKIPPED = 77


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev vm", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="what", required=True)
    run = commands.add_parser("run")
    run.add_argument("--cpu", default="max", help="QEMU's name of the processor: max,-clwb")
    run.add_argument("--eadr", action="store_true", help="caches are saved at a power cut, too")
    run.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    try:
        return run_command(arguments)
    except packages.Unavailable as why:
        print(f"vm: skipped: {why}", file=sys.stderr)
        return SKIPPED
    except GuestDied as why:
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


if __name__ == "__main__":
    sys.exit(main())
