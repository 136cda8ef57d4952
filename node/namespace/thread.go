package namespace

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// OnThread runs f on a thread of its own, which f may move into other namespaces: the thread ends with it, and no other
// goroutine ever runs there.
func OnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The first thread cannot end, and /proc/self would speak of where it was left. While it is held here, another
			// one does the work.
			done <- OnThread(f)
			runtime.UnlockOSThread()
			return
		}
		done <- f() // never unlocked: a locked thread ends with its goroutine
	}()
	return <-done
}

// In runs f on a thread of its own that is in the namespaces of these files; kinds are their CLONE_NEW… flags, in order.
func In(f func() error, enter ...Entry) error {
	return OnThread(func() error {
		for _, e := range enter {
			if err := unix.Setns(int(e.File.Fd()), e.Kind); err != nil {
				return fmt.Errorf("enter %s: %w", e.File.Name(), err)
			}
		}
		return f()
	})
}

// Entry is a namespace to enter.
type Entry struct {
	File *os.File
	// Kind is the CLONE_NEW… flag.
	Kind int
}

// OnHost runs f on a thread of its own in the cgroup namespace of that path, such as /proc/1/ns/cgroup: levels and paths of
// cgroups are counted from there. An empty path is where the process is. The thread is in the namespaces of these files too.
func OnHost(cgroupns string, f func() error, enter ...Entry) error {
	if cgroupns == "" {
		return In(f, enter...)
	}
	file, err := os.Open(cgroupns)
	if err != nil {
		return fmt.Errorf("the host's cgroup namespace: %w", err)
	}
	defer file.Close()
	return In(f, append([]Entry{{file, unix.CLONE_NEWCGROUP}}, enter...)...)
}
