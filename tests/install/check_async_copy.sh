#!/usr/bin/env bash
# check_async_copy.sh PROGRAM WORK_DIR: copies come out alike, of nothing, of one piece, of more
# pieces than are in flight; what cannot be copied is an error.
set -euo pipefail
program=$1
work_dir=$2

mkdir -p "$work_dir"
for bytes in 0 1 262144 10000001; do
  head -c "$bytes" /dev/urandom >"$work_dir/source"
  "$program" "$work_dir/source" "$work_dir/target"
  cmp "$work_dir/source" "$work_dir/target"
done
if "$program" "$work_dir/nothing" "$work_dir/target" 2>/dev/null; then
  echo "copied a file that is not there"
  exit 1
fi
