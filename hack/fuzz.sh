#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time: one after another, or with "together" all at once.
#
#   hack/fuzz.sh 10s
#   hack/fuzz.sh 10m together
set -euo pipefail
cd "$(dirname "$0")/.."
time=$1 mode=${2:-}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

targets() {
  for package in $(go list ./...); do
    for target in $(go test -list '^Fuzz' "$package" 2>/dev/null | grep '^Fuzz' || true); do
      echo "$package $target"
    done
  done
}

fuzz() { go test "$1" -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 10x; }

status=0 running=()
while read -r package target; do
  if [ "$mode" = together ]; then
    fuzz "$package" "$target" >"$logs/${package##*/}.$target" 2>&1 &
    running+=("$!:$package $target")
    continue
  fi
  echo "fuzz: $package $target for $time"
  fuzz "$package" "$target" | tail -n 3
done < <(targets)

for job in ${running[@]+"${running[@]}"}; do
  name=${job#*:}
  wait "${job%%:*}" || { status=1; cat "$logs/${name##*/}" 2>/dev/null || true; }
done
if [ "$mode" = together ]; then
  for log in "$logs"/*; do
    echo "fuzz: ${log##*/}: $(grep -E '^fuzz: elapsed' "$log" | tail -n 1)"
    grep -q '^ok' "$log" || { status=1; tail -n 30 "$log"; }
  done
fi
exit $status
