#!/usr/bin/env bash
# golangci-lint with the project's rules, then module hygiene.
set -euo pipefail
cd "$(dirname "$0")/.."
lint=$(hack/tool.sh golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
config=$PWD/.golangci.yml
"$lint" run --allow-parallel-runners ./...
for module in test/images test/e2e test/sidecars collector/drain collector/settle test/cluster/certmanager/webhook; do
  (cd "$module" && "$lint" run --allow-parallel-runners --config "$config" ./...)
done
go mod tidy -diff >/dev/null || { echo "go.mod is not tidy: run go mod tidy" >&2; exit 1; }
