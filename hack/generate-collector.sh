#!/usr/bin/env bash
# Writes collector/distribution from collector/builder.yaml, by the OpenTelemetry Collector's own builder. With --check, writes
# nothing and fails, with the difference, where it is not up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
builder=$(hack/tool.sh collector-builder go.opentelemetry.io/collector/cmd/builder collector)
# The builder leaves its files as its templates have them.
generate() {
  (cd "$1" && GOFLAGS='' GOWORK=off "$builder" --config builder.yaml --skip-compilation 2>&1) >"$2" || { cat "$2" >&2; return 1; }
  gofmt -w "$1/distribution"
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ "${1:-}" != --check ]; then
  generate collector "$log"
  exit 0
fi

fresh=$(mktemp -d)
trap 'rm -rf "$log" "$fresh"' EXIT
cp -rL collector/builder.yaml collector/drain collector/settle "$fresh"
generate "$fresh" "$log"
diff -ur collector/distribution "$fresh/distribution" && exit 0
echo "collector: what is generated is not up to date: run hack/generate-collector.sh" >&2
exit 1
