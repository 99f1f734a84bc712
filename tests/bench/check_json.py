#!/usr/bin/env python3
"""Checks a benchmark's --json file against the contract in docs/benchmarks.md.

    check_json.py FILE [ROW...]     every ROW must be there, with nacre's figure and the floor's;
                                    ROW:PEER: with nacre's figure and that peer's
"""

import json
import math
import sys

PEERS = {"rocksdb", "leveldb", "lmdb", "libpmemlog", "zero", "classic", "pwrite_fdatasync", "msync"}
UNITS = {"ns/op": "lower", "bytes": "lower", "ms": "lower", "ops/s": "higher", "GB/s": "higher"}
MACHINE = {
    "cpu", "cores", "kernel", "memory_gib", "file_systems", "compiler", "build_type", "nacre",
    "date",
}


def is_figure(value):
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and math.isfinite(value) and value > 0)


def beside_faults(name, beside):
    """What is wrong with what stands beside a row's figures, as sentences."""
    if not isinstance(beside, dict) or not all(isinstance(one, dict) for one in beside.values()):
        return [f"{name}: beside is no object of objects"]
    return [f"{name}: {what} of {contender} is {value!r}"
            for contender, one in beside.items() for what, value in one.items()
            if value != 0 and not is_figure(value)]


def row_faults(row):
    """What is wrong with one row, as sentences."""
    if not isinstance(row, dict):
        return ["a row is not an object"]
    name = row.get("name")
    if not isinstance(name, str) or not name:
        return ["a row has no name"]
    faults = []
    if UNITS.get(row.get("unit")) != row.get("better") or "better" not in row:
        faults.append(f"{name}: unit {row.get('unit')!r} with better {row.get('better')!r}")
    for key in ("nacre", "floor"):
        if key in row and not is_figure(row[key]):
            faults.append(f"{name}: {key} is {row[key]!r}; a figure not measured is absent")
    faults += beside_faults(name, row.get("beside", {}))
    peers = row.get("peers")
    if not isinstance(peers, dict):
        return faults + [f"{name}: no peers object"]
    for peer, value in peers.items():
        if peer not in PEERS:
            faults.append(f"{name}: no such peer as {peer!r}")
        if not is_figure(value):
            faults.append(f"{name}: {peer} is {value!r}; a figure not measured is absent")
    return faults


def document_faults(document, wanted_rows=()):
    """What is wrong with a whole document, as sentences; none when it keeps the contract."""
    if not isinstance(document, dict) or not isinstance(document.get("rows"), list):
        return ["no rows"]
    faults = [fault for row in document["rows"] for fault in row_faults(row)]
    rows = {row.get("name"): row for row in document["rows"] if isinstance(row, dict)}
    if len(rows) != len(document["rows"]):
        faults.append("two rows of one name")
    for wanted in wanted_rows:
        name, _, peer = wanted.partition(":")
        row = rows.get(name, {})
        figures = {"nacre", "floor"} & row.keys() | (row.get("peers") or {}).keys()
        for key in ("nacre", peer or "floor"):
            if key not in figures:
                faults.append(f"{name}: {key} is missing")
    machine = document.get("machine")
    missing = MACHINE - (machine.keys() if isinstance(machine, dict) else set())
    if missing:
        faults.append(f"machine lacks {', '.join(sorted(missing))}")
    return faults


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        faults = document_faults(json.load(file), sys.argv[2:])
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
