// Command bed is process 1 of an emulated machine with cgroups of version 2 alone: it brings the test bed's Kubernetes up there,
// looks at the cgroups of a Pod with a sidecar, ends it all and sees that nothing is left.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/test/cluster/node"
	"github.com/pillion-dev/pillion/test/qemu"
	"github.com/pillion-dev/pillion/test/qemu/guest"
)

// Stages of this program, by its last argument: none loads modules and goes over to the disk, onDisk waits for the last one
// and for processes whose parents have ended, checking does the work.
const (
	onDisk   = "on-disk"
	checking = "checking"
)

func main() {
	node.Init()
	stage := os.Args[len(os.Args)-1] // the kernel adds words of its command line to the arguments of the first
	switch stage {
	case checking:
		guest.Do(checks)
		return
	case onDisk:
		fail("boot", wait())
	default:
		fail("boot", toDisk())
	}
	guest.PowerOff()
}

func fail(name string, err error) {
	if err != nil {
		guest.Report(qemu.Result{Name: name, Error: err.Error()})
	}
}

// toDisk makes the disk the root of all, which pivot_root in containers needs, and goes on there.
func toDisk() error {
	if err := errors.Join(guest.Mount(), guest.LoadModules()); err != nil {
		return err
	}
	if err := unix.Mount("/dev/vda", "/disk", "ext4", unix.MS_NOATIME, ""); err != nil {
		return fmt.Errorf("mount the disk: %w", err)
	}
	for _, at := range []string{guest.Cgroups, "/run", "/tmp", "/dev", "/sys", "/proc"} {
		if err := unix.Unmount(at, 0); err != nil {
			return fmt.Errorf("unmount %s: %w", at, err)
		}
	}
	if err := errors.Join(unix.Chdir("/disk"), unix.Mount(".", "/", "", unix.MS_MOVE, ""), unix.Chroot("."), unix.Chdir("/")); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	return unix.Exec("/init", []string{"/init", onDisk}, []string{"HOME=/root", "PATH=/bed/bin:/bin", "KUBEBUILDER_ASSETS=/bed/bin"})
}

// wait starts the checks and returns when they have ended.
func wait() error {
	if err := guest.Mount(); err != nil {
		return err
	}
	cmd := exec.Command("/init", checking)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case pid != cmd.Process.Pid:
		case status != 0:
			return fmt.Errorf("the checks ended with %v", status)
		default:
			return nil
		}
	}
}
