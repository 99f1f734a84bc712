"""Runs the suites of suites.py, each boot's places one after the other."""

import json
import pathlib
import re
import time
from typing import Callable, NamedTuple

import media
from guest import Guest, GuestDied, Options, quoted
from machine import Machine
from power_cuts import PLACE, UNMOUNT
from suites import Boot, Place, Suite

SUITE_SECONDS = 240


class Outcome(NamedTuple):
    """Of one program in one place, or of one other check: how many tests, and what went wrong."""

    name: str
    tests: int = 1
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    detail: str = ""


Report = Callable[[Outcome], None]


def run(machine: Machine, boot: Boot, folder: pathlib.Path, report: Report) -> None:
    options = Options(cpu=boot.cpu, persistence=boot.persistence,
                      nvdimms=[media.blank_nvdimm(machine, folder, "fsdax"),
                               media.blank_nvdimm(machine, folder, "devdax")],
                      disks=[str(media.blank_disk(folder))])
    with Guest(machine, folder / "out", options) as guest:
        for place in boot.places:
            if place.variable:
                for suite in boot.suites:
                    if suite.place == place.name:
                        report(_run_suite(machine, guest, boot, suite,
                                          f"{place.variable}={place.device}"))
                continue
            make = place.make.format(device=place.device)
            guest.expect(f"{make} && mount -o {place.mount_options} {place.device} {PLACE}")
            report(_ask_doctor(machine, guest, boot, place))
            for suite in boot.suites:
                if suite.place == place.name:
                    report(_run_suite(machine, guest, boot, suite))
            guest.expect(UNMOUNT)
            guest.expect(f"wipefs -q -a {place.device}")


def _ask_doctor(machine: Machine, guest: Guest, boot: Boot, place: Place) -> Outcome:
    name = f"{boot.name}: {place.name}: nacre doctor"
    ended = guest.run(quoted(machine.build / "bin" / "nacre", "doctor", PLACE, "--json"), 120)
    expected = {**place.doctor, "machine.flush_routine": boot.flush,
                "machine.copy_routine": boot.copy,
                "machine.protection_keys": boot.protection_keys}
    wrong = []
    try:
        said = json.loads(ended.output)
        for path, value in expected.items():
            found = said
            for part in path.split("."):
                found = found.get(part, {})
            if found != value:
                wrong.append(f"{path} is {found!r} instead of {value!r}")
    except ValueError:
        wrong.append(ended.output)
    return Outcome(name, failed=1 if wrong else 0, detail="\n".join(wrong))


def _run_suite(machine: Machine, guest: Guest, boot: Boot, suite: Suite,
               place: str = f"TMPDIR={PLACE}") -> Outcome:
    name = f"{boot.name}: {suite.place}: {suite.program}"
    command = quoted("timeout", "-k", 20, SUITE_SECONDS, machine.build / "tests" / suite.program,
                     f"--gtest_filter={suite.cases}", "--gtest_brief=1", "--gtest_color=no")
    began = time.monotonic()
    try:
        ended = guest.run(f"export {place}; {command}", SUITE_SECONDS + 60)
    except GuestDied as why:
        return Outcome(name, failed=1, detail=str(why))
    tests = _counted(r"^\[==========\] (\d+) tests? ", ended.output)
    failed = _counted(r"^\[  FAILED  \] (\d+) tests?", ended.output)
    if tests == 0 or (ended.status != 0 and failed == 0):
        tests, failed = max(tests, 1), 1
    lines = [line[:300] for line in ended.output.splitlines()]
    return Outcome(name, tests, failed, _counted(r"^\[  SKIPPED \] (\d+) tests?", ended.output),
                   time.monotonic() - began,
                   "\n".join([f"status {ended.status}", *lines[-60:]]) if failed else "")


def _counted(pattern: str, output: str) -> int:
    found = re.findall(pattern, output, re.MULTILINE)
    return int(found[-1]) if found else 0
