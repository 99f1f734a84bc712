#!/usr/bin/env python3
"""Checks a benchmark's --json file against the contract in docs/benchmarks.md.

    check_json.py FILE [ROW...]     every ROW must be there, with nacre's figure and the floor's
"""

import json
import math
import sys

PEERS = {"rocksdb", "leveldb", "lmdb", "libpmemlog", "zero", "classic", "pwrite_fdatasync", "msync"}
UNITS = {"ns/op": "lower", "bytes": "lower", "ops/s": "higher", "GB/s": "higher"}
MACHINE = {
    "cpu", "cores", "kernel", "memory_gib", "file_systems", "compiler", "build_type", "nacre",
    "date",
}


def is_figure(value):
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and math.isfinite(value) and value > 0)


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
        for key in ("nacre", "floor"):
            if key not in rows.get(wanted, {}):
                faults.append(f"{wanted}: {key} is missing")
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
