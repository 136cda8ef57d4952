#!/usr/bin/env bash
# Installs what the tests use beyond Go: HAProxy, which checks the proxy's configuration; promtool, which checks alerts, and
# Prometheus; nginx, which confd reloads; and, for root, what a node and its images need. No service is started.
set -euo pipefail
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 PATH=$PATH:/usr/sbin:/sbin

lacking=()
want() { command -v "$1" >/dev/null || lacking+=("$2"); }
want haproxy haproxy
want promtool prometheus
want nginx nginx
if [ "$(id -u)" = 0 ]; then
  want runc runc
  want nft nftables
  want ip iproute2
  want buildah buildah
  want unshare util-linux
  want ps procps
  want mke2fs e2fsprogs
fi
[ ${#lacking[@]} -gt 0 ] || exit 0
echo "setup: installing ${lacking[*]} (apt-get)"
install() { $sudo apt-get install -y -qq --no-install-recommends "${lacking[@]}" >/dev/null; }
install 2>/dev/null && exit 0
$sudo apt-get update -qq >/dev/null
install
