#!/usr/bin/env bash
# check_store.sh PROGRAM DIRECTORY: the second run finds what the first one put.
set -euo pipefail
program=$1
directory=$2

"$program" "$directory" >/dev/null
second=$("$program" "$directory")
expected=$'before this run: 1\nfruit/apple = red\nfruit/pear = green\nruns = 2'
if [[ $second != "$expected" ]]; then
  printf 'expected:\n%s\ngot:\n%s\n' "$expected" "$second"
  exit 1
fi
