#!/usr/bin/env bash
# pkg_config.sh PREFIX EXAMPLES_DIR WORK_DIR: builds and runs an example with pkg-config alone.
set -euo pipefail
prefix=$1
examples_dir=$2
work_dir=$3

rm -rf "$work_dir"
mkdir -p "$work_dir"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name nacre.pc)")
export PKG_CONFIG_PATH
read -ra flags <<<"${CXXFLAGS:-} $(pkg-config --cflags nacre)"
read -ra libs <<<"$(pkg-config --libs nacre)"
"${CXX:-c++}" -std=c++23 "${flags[@]}" "$examples_dir/hello_log.cc" -o "$work_dir/hello_log" \
  "${libs[@]}"
"$(dirname "$0")/check_hello_log.sh" "$work_dir/hello_log" "$work_dir/log"
