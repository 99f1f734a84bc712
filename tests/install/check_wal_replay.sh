#!/usr/bin/env bash
# check_wal_replay.sh PROGRAM DIRECTORY: the second run replays what the first one appended.
set -euo pipefail
program=$1
directory=$2

"$program" "$directory" shell pearl shell >/dev/null
second=$("$program" "$directory" pearl)
expected=$'replayed 3 records\npearl 2\nshell 2'
if [[ $second != "$expected" ]]; then
  printf 'expected:\n%s\ngot:\n%s\n' "$expected" "$second"
  exit 1
fi
