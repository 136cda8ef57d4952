#!/usr/bin/env bash
# Brings a Kubernetes of two nodes up, loads the images, runs the rows of test/e2e inside it and takes it down again. What
# there is to know of a failed row, and the logs of the bed's own components, are left in E2E_ARTIFACTS.
#
#   hack/e2e.sh [PATTERN]      PATTERN as for go test -run, such as S17
set -euo pipefail
cd "$(dirname "$0")/.."
pattern=${1:-.} name=${E2E_NAME:-e2e-$$}
export E2E_ARTIFACTS=${E2E_ARTIFACTS:-${TMPDIR:-/tmp}/pillion-e2e}
[ "$(id -u)" = 0 ] || { echo "e2e: a node needs root: run it as root" >&2; exit 1; }

began=$SECONDS
step() { echo "e2e: $* (at $((SECONDS - began)) s)"; }
work=$(mktemp -d)
cluster=$work/cluster
down() {
  status=$?
  if [ $status != 0 ] && dir=$("$cluster" status --name "$name" 2>/dev/null | sed -n '1s/.*, directory //p') && [ -n "$dir" ]; then
    mkdir -p "$E2E_ARTIFACTS" && rm -rf "$E2E_ARTIFACTS/components" && cp -r "$dir/logs" "$E2E_ARTIFACTS/components"
    echo "e2e: what there is to know: $E2E_ARTIFACTS"
  fi
  "$cluster" down --name "$name" || true
  rm -rf "$work"
}
trap down EXIT

go build -o "$cluster" ./test/cluster/cmd/cluster
export E2E_PILLION=$work/pillion
CGO_ENABLED=0 go build -o "$E2E_PILLION" ./cmd/pillion
(cd test/e2e && go test -c -o "$work/e2e.test" .)
step "images"
images=$(cd test/images && go run ./cmd/images build --out "$work")
# cert-manager's chart is in its module.
module=$(go -C test/cluster/certmanager mod download -json github.com/cert-manager/cert-manager | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
export E2E_CERT_MANAGER=$module/deploy/charts/cert-manager
step "two nodes"
"$cluster" up --name "$name" --nodes 2 --node-grace 20s
step "images into them"
# shellcheck disable=SC2086 # one path a word
"$cluster" load --name "$name" $images
step "rows"
cd test/e2e
result=0
"$cluster" exec --name "$name" -- "$work/e2e.test" -test.v -test.timeout "${E2E_TIMEOUT:-30m}" -test.parallel 4 -test.run "$pattern" | tee "$work/output" || result=$?
echo; echo "e2e: seconds of each row"
sed -nE 's/^--- (PASS|FAIL): (\S+) \((.*)s\)$/\3\t\1\t\2/p' "$work/output" | sort -rn
"$cluster" status --name "$name"
step "end"
exit $result
