#!/usr/bin/env bash
# Installs what the tests use beyond Go: HAProxy, which checks the proxy's configuration.
set -euo pipefail
command -v haproxy >/dev/null && exit 0
[ -x /usr/sbin/haproxy ] && exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
echo "setup: installing haproxy (apt-get)"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get install -y -qq --no-install-recommends haproxy >/dev/null 2>&1 && exit 0
$sudo apt-get update -qq >/dev/null
$sudo apt-get install -y -qq --no-install-recommends haproxy >/dev/null
