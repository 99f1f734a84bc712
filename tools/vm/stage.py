"""All that `./dev test --vm` runs: the suites, failing devices, power cuts, killed machines."""

import os
import pathlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Callable, NamedTuple

import faults
import media
import nvdimm_kills
import power_cuts
import run_suites
from guest import GuestDied, kill_all
from machine import Machine, scratch
from run_suites import Outcome, Report
from suites import BOOTS

# Always the same; `./dev vm soak` tries others.
SEED = 1
# Emulated, a machine keeps little more than one processor busy.
MACHINES_AT_A_TIME = 4


class Part(NamedTuple):
    name: str
    run: Callable[[Machine, pathlib.Path, Report], None]


def parts(cuts: int) -> list[Part]:
    """With so many power cuts over all file systems."""
    share = -(-cuts // len(power_cuts.FILE_SYSTEMS))
    listed = [Part(boot.name, lambda machine, folder, report, boot=boot: run_suites.run(
        machine, boot, folder, report)) for boot in BOOTS]
    listed.append(Part("device faults", faults.run))
    for name in power_cuts.FILE_SYSTEMS:
        listed.append(Part(f"power cuts, {name}", lambda machine, folder, report, name=name:
                           _cut_power(machine, folder, name, share, report)))
    for name in nvdimm_kills.MAKE:
        listed.append(Part(f"killed with an NVDIMM, {name}", lambda machine, folder, report, name=name:
                           _kill(machine, folder, name, max(share // 10, 1), report)))
    return listed


def programs() -> list[str]:
    """What has to be built."""
    tests = {suite.program for boot in BOOTS for suite in boot.suites}
    return ["nacre_cli", power_cuts.PROGRAM, *sorted(tests)]


def run(machine: Machine, cuts: int, only: str) -> int:
    """Runs the parts with `only` in their names, some machines at a time; the status."""
    outcomes: list[Outcome] = []
    one_at_a_time = threading.Lock()

    def report(outcome: Outcome) -> None:
        verdict = "FAILED" if outcome.failed else "passed"
        skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
        with one_at_a_time:
            outcomes.append(outcome)
            print(f"{verdict}  {outcome.seconds:5.0f} s  {outcome.name}: {outcome.tests} tests{skipped}\n"
                  f"{outcome.detail}".rstrip(), flush=True)

    # What every part copies: made before two of them would make it.
    media.make_templates(machine)
    with ThreadPoolExecutor(min(MACHINES_AT_A_TIME, os.cpu_count() or 1)) as pool:
        running = {pool.submit(_run_part, machine, part, report): part.name
                   for part in parts(cuts) if only in part.name}
        try:
            took = {running[ended]: ended.result() for ended in as_completed(running)}
        except BaseException:
            kill_all()
            pool.shutdown(cancel_futures=True)
            raise
    print("\n".join(f"{seconds:5.0f} s  {name}" for name, seconds in took.items()))
    total = sum(outcome.tests for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    passed = 100 * (total - failed) // max(total, 1)
    # As ctest says it, for ./dev to count.
    print(f"{passed}% tests passed, {failed} tests failed out of {total}")
    return 1 if failed or not outcomes else 0


def _run_part(machine: Machine, part: Part, report: Report) -> float:
    """Returns the seconds it took."""
    began = time.monotonic()
    with scratch(machine) as folder:
        try:
            part.run(machine, folder, report)
        except (GuestDied, power_cuts.Failed) as why:
            report(Outcome(part.name, failed=1, seconds=time.monotonic() - began, detail=str(why)))
    return time.monotonic() - began


def _cut_power(machine: Machine, folder: pathlib.Path, file_system: str, cuts: int,
               report: Report) -> None:
    began = time.monotonic()
    tally = power_cuts.Tally()
    disk = power_cuts.PowerCuts(machine, folder, SEED, file_system, tally)
    try:
        disk.run(cuts)
    finally:
        disk.close()
    proves = tally.proves_something()
    report(Outcome(f"power cuts, {file_system}: {tally.text()}", tests=cuts, failed=0 if proves else 1,
                   detail="" if proves else power_cuts.PROVES_NOTHING,
                   seconds=time.monotonic() - began))


def _kill(machine: Machine, folder: pathlib.Path, file_system: str, kills: int,
          report: Report) -> None:
    began = time.monotonic()
    told = nvdimm_kills.run(machine, folder, SEED, file_system, kills)
    report(Outcome(f"killed with an NVDIMM, {file_system}: {told}", tests=kills,
                   seconds=time.monotonic() - began))
