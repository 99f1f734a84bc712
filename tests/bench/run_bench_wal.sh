#!/bin/sh
# run_bench_wal.sh BENCH_WAL CHECK_JSON WORK_DIR: one row, once, and what it says is checked.
set -eu
mkdir -p "$3"
"$1" --quick --filter '^append/64$' --rounds 1 --json "$3/wal.json" --plot "$3/wal.svg"
"$2" "$3/wal.json" append/64
grep -q '</svg>' "$3/wal.svg"
