#!/usr/bin/env bash
# find_package.sh PREFIX EXAMPLES_DIR WORK_DIR: builds and runs the examples with find_package(nacre).
set -euo pipefail
prefix=$1
examples_dir=$2
work_dir=$3

rm -rf "$work_dir"
cmake -S "$examples_dir" -B "$work_dir/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$work_dir/build"
"$(dirname "$0")/check_hello_log.sh" "$work_dir/build/hello_log" "$work_dir/log"
"$(dirname "$0")/check_wal_replay.sh" "$work_dir/build/wal_replay" "$work_dir/wal"
"$(dirname "$0")/check_store.sh" "$work_dir/build/store" "$work_dir/store"
"$(dirname "$0")/check_async_copy.sh" "$work_dir/build/async_copy" "$work_dir/copies"
"$(dirname "$0")/check_crash_examples.sh" "$work_dir/build"
