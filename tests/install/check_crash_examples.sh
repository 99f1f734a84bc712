#!/usr/bin/env bash
# check_crash_examples.sh DIRECTORY: the examples of crash tests find the bug they have, and none when
# it is mended.
set -euo pipefail
directory=$1

# check PROGRAM SITE [VERDICT]
check() {
  local program=$1 site=$2 verdict=${3:-EXHAUSTIVE}
  local report status=0
  report=$("$directory/$program") || status=$?
  [[ $status == 1 && $report == FAILED* && $report == *"$site"* ]] ||
    { echo "$program ended with $status:"; echo "$report"; exit 1; }
  report=$("$directory/$program" --fixed)
  [[ $report == "$verdict"* ]] || { echo "$program --fixed:"; echo "$report"; exit 1; }
}

check crash_list "List::push"
# What the guide shows is what the report says; places in the source are known with -g alone.
guide=$(dirname "$0")/../../docs/crash_testing.md
report=$("$directory/crash_list" || true)
state=$(grep -o -- '--crash_repro=.*' <<<"$report")
grep -qF -- "$state" "$guide" || { echo "$guide does not show $state"; exit 1; }
check crash_msync "add_entry"
# There are always other sequences.
check crash_model "Map::put" BOUNDED
