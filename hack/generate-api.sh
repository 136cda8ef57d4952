#!/usr/bin/env bash
# Writes what is generated from api/v1alpha1: the deep copies, and the CRDs in api/crds. With --check, writes nothing and
# fails, with the difference, where they are not up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
generate=$(hack/tool.sh controller-gen sigs.k8s.io/controller-tools/cmd/controller-gen generate)

if [ "${1:-}" != --check ]; then
  "$generate" object crd paths=./api/v1alpha1/... output:crd:dir=./api/crds
  exit 0
fi

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$generate" object crd paths=./api/v1alpha1/... output:object:dir="$fresh/v1alpha1" output:crd:dir="$fresh/crds"
status=0
diff -u api/v1alpha1/zz_generated.deepcopy.go "$fresh/v1alpha1/zz_generated.deepcopy.go" || status=1
diff -u -x '*.go' api/crds "$fresh/crds" || status=1
[ $status = 0 ] || echo "api: what is generated is not up to date: run hack/generate-api.sh" >&2
exit $status
