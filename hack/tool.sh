#!/usr/bin/env bash
# Prints the path of a pinned tool, building it on first use into the user's cache. Its version is that of tools/go.mod, or
# of the module in a folder below tools/.
#
#   hack/tool.sh NAME PACKAGE [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../tools/${3:-}"
name=$1 package=$2
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/pillion/tools/$(cat go.mod go.sum | sha256sum | cut -c1-16)-$(go env GOVERSION)
if [ ! -x "$cache/$name" ]; then
  echo "tools: building $name (once)" >&2
  mkdir -p "$cache"
  go build -trimpath -ldflags '-s -w' -o "$cache/$name.$$" "$package"
  mv "$cache/$name.$$" "$cache/$name"
fi
echo "$cache/$name"
