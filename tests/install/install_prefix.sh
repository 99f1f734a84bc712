#!/usr/bin/env bash
# install_prefix.sh BUILD_DIR PREFIX: installs into an empty PREFIX; nothing but what a user includes
# may land in include/.
set -euo pipefail
build_dir=$1
prefix=$2

rm -rf "$prefix"
cmake --install "$build_dir" --prefix "$prefix" >/dev/null

stray=$(find "$prefix/include" -type f ! -path "$prefix/include/nacre/*.h")
if [[ -n $stray ]]; then
  echo "installed, but no public header: $stray"
  exit 1
fi
