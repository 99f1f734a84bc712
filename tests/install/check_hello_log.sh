#!/usr/bin/env bash
# check_hello_log.sh PROGRAM DIRECTORY: two runs on one log show the first run's message again.
set -euo pipefail
program=$1
directory=$2

"$program" "$directory" >/dev/null
second=$("$program" "$directory")
expected=$'0: hello, log\n1: hello, log'
if [[ $second != "$expected" ]]; then
  printf 'expected:\n%s\ngot:\n%s\n' "$expected" "$second"
  exit 1
fi
