#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time: one after another, or with "together" all at once. Where a
# target fails, its whole output is shown. The last lines tell how many inputs each target ran.
#
#   hack/fuzz.sh 10s
#   hack/fuzz.sh 10m together
set -euo pipefail
cd "$(dirname "$0")/.."
time=$1 mode=${2:-}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# files lists the test files of the module, each behind its package.
files() {
  go list -f '{{$p := .}}{{range .TestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}
{{end}}{{range .XTestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}
{{end}}' ./...
}

# targets lists packages and the fuzz targets in them. It does not build: a package that does not fails its own targets.
targets() {
  files | while read -r package file; do
    [ -z "$file" ] || sed -nE "s|^func (Fuzz[A-Za-z0-9_]*)\(.*|$package \1|p" "$file"
  done
}

# fuzz runs a target of a package with its output in the log of that name, and marks it where it fails.
fuzz() {
  go test "$1" -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 10x >"$logs/$3" 2>&1 || touch "$logs/$3.failed"
}

all=$(targets)
[ -n "$all" ] || { echo "no fuzz targets" >&2; exit 1; }

module=$(go list -m)
names=()
while read -r package target; do
  name=${package#"$module/"}
  name=${name//\//.}.$target
  names+=("$name")
  echo "fuzz: $package $target for $time"
  if [ "$mode" = together ]; then
    fuzz "$package" "$target" "$name" &
  else
    fuzz "$package" "$target" "$name"
  fi
done <<<"$all"
wait

status=0
for name in "${names[@]}"; do
  [ -e "$logs/$name.failed" ] || continue
  status=1
  echo "fuzz: $name failed:"
  cat "$logs/$name"
done
for name in "${names[@]}"; do
  ran=$(grep -oE 'execs: [0-9]+|gathering baseline coverage: [0-9]+/[0-9]+' "$logs/$name" | tail -n 1 || true)
  echo "fuzz: $name: ${ran:-did not run}"
done
exit $status
