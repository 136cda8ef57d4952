//go:build tools

// Package etcd pins the etcd server that package cluster builds and runs.
package etcd

import _ "go.etcd.io/etcd/server/v3"
