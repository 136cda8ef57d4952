package cluster

import "syscall"

// diesWithParent lets the kernel kill a child when this program ends, even by SIGKILL. The group of its own keeps a
// terminal's interrupt away from the child, so that the parent stops the programs in order.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
