#!/bin/sh
# run_bench.sh PROGRAM CHECK_JSON WORK_DIR DISK FILTER ROW...: the rows that match, once and with
# small files, and what is said of them is checked; each ROW must be there with its floor.
#
# DISK is "disk" for rows that need a directory on a disk: WORK_DIR then is it. 77 when it is none.
# "as-DEVICE" is for memory as slow as that device, which the figures then name.
set -eu
program=$1 check=$2 work=$3 disk=$4 filter=$5
shift 5
mkdir -p "$work"
set -- "$check" "$work/figures.json" "$@"
if [ "$disk" = disk ]; then
  case $(stat -f -c %T "$work") in tmpfs | ramfs) exit 77 ;; esac
  "$program" --quick --rounds 1 --file-mib 8 --dir "$work" --filter "$filter" \
    --json "$work/figures.json" --plot "$work/figures.svg"
elif [ "${disk#as-}" != "$disk" ]; then
  "$program" --quick --rounds 1 --as "${disk#as-}" --filter "$filter" \
    --json "$work/figures.json" --plot "$work/figures.svg"
  grep -q "\"memory_model\": *\"${disk#as-}\"" "$work/figures.json"
else
  "$program" --quick --rounds 1 --filter "$filter" \
    --json "$work/figures.json" --plot "$work/figures.svg"
fi
"$@"
grep -q '</svg>' "$work/figures.svg"
