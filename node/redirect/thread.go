package redirect

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread of its own, which f may move into other namespaces: the thread ends with it, and no other
// goroutine ever runs there.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The first thread cannot end, and /proc/self would speak of where it was left. While it is held here, another
			// one does the work.
			done <- onThread(f)
			runtime.UnlockOSThread()
			return
		}
		done <- f() // never unlocked: a locked thread ends with its goroutine
	}()
	return <-done
}

// onHostThread runs f on a thread of its own in the host's cgroup namespace. The kernel counts the level of a cgroup from
// the namespace of the thread that loads a rule, so levels mean nothing elsewhere.
func onHostThread(cgroupns string, f func() error) error {
	return onThread(func() error {
		if cgroupns == "" {
			return f()
		}
		file, err := os.Open(cgroupns)
		if err != nil {
			return fmt.Errorf("the host's cgroup namespace: %w", err)
		}
		err = unix.Setns(int(file.Fd()), unix.CLONE_NEWCGROUP)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("enter the host's cgroup namespace: %w", err)
		}
		return f()
	})
}
