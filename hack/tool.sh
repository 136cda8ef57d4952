#!/usr/bin/env bash
# Prints the path of a pinned tool of tools/go.mod, building it on first use into the user's cache.
set -euo pipefail
cd "$(dirname "$0")/../tools"
name=$1 package=$2
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/pillion/tools/$(cat go.mod go.sum | sha256sum | cut -c1-16)-$(go env GOVERSION)
if [ ! -x "$cache/$name" ]; then
  echo "tools: building $name (once)" >&2
  mkdir -p "$cache"
  go build -trimpath -ldflags '-s -w' -o "$cache/$name.$$" "$package"
  mv "$cache/$name.$$" "$cache/$name"
fi
echo "$cache/$name"
