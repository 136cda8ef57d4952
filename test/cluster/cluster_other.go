//go:build !linux

package cluster

import "syscall"

// diesWithParent can promise nothing outside Linux: a child outlives a parent that is killed before it calls Stop.
func diesWithParent() *syscall.SysProcAttr { return nil }
