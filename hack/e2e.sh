#!/usr/bin/env bash
# Brings a Kubernetes of two nodes up, loads the images, runs the rows of test/e2e inside it and takes it down again. What
# there is to know of a failed row is left in E2E_ARTIFACTS.
#
#   hack/e2e.sh [PATTERN]      PATTERN as for go test -run, such as S17
set -euo pipefail
cd "$(dirname "$0")/.."
pattern=${1:-.} name=${E2E_NAME:-e2e-$$}
export E2E_ARTIFACTS=${E2E_ARTIFACTS:-${TMPDIR:-/tmp}/pillion-e2e}
[ "$(id -u)" = 0 ] || { echo "e2e: a node needs root: run it as root" >&2; exit 1; }

work=$(mktemp -d)
cluster=$work/cluster
go build -o "$cluster" ./test/cluster/cmd/cluster
down() { "$cluster" down --name "$name" || true; rm -rf "$work"; }
trap down EXIT

images=$(cd test/images && go run ./cmd/images build pause app nginx haproxy webhook --out "$work")
"$cluster" up --name "$name" --nodes 2
# shellcheck disable=SC2086 # one path a word
"$cluster" load --name "$name" $images
(cd test/e2e && go test -c -o "$work/e2e.test" .)
cd test/e2e
"$cluster" exec --name "$name" -- "$work/e2e.test" -test.v -test.timeout 20m -test.run "$pattern"
