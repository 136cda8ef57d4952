//go:build !linux

package serving

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
