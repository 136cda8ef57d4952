//go:build linux

package node

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// ownNamespaces are those that a node has of its own. Its cgroups are the machine's, and so are its users.
const ownNamespaces = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// inNamespaces calls f on a thread that is in the namespaces of the process pid; a program that f starts runs there, and
// is a child of this one. The thread ends after f.
func inNamespaces(pid int, f func() error) error {
	return onThrowAwayThread(func() error {
		if err := enter(pid); err != nil {
			return err
		}
		return f()
	})
}

// onThrowAwayThread calls f on a thread that ends after it, whatever f made of that thread.
func onThrowAwayThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // not unlocked below: no other goroutine may get this thread
		if unix.Gettid() == unix.Getpid() {
			// The first thread of a program never ends: it is held back until another has done the work.
			defer runtime.UnlockOSThread()
			done <- onThrowAwayThread(f)
			return
		}
		done <- f()
	}()
	return <-done
}

func enter(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	process := os.NewFile(uintptr(fd), "process")
	defer process.Close()
	// A mount namespace can only be entered by a thread whose working directory is its own.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare the working directory: %w", err)
	}
	if err := unix.Setns(fd, ownNamespaces); err != nil {
		return fmt.Errorf("enter the namespaces of process %d: %w", pid, err)
	}
	return nil
}

// furnish makes the new namespaces of this process a node's: its name, its mounts and what its kernel forwards.
func furnish(p plan, m member) error {
	if err := unix.Sethostname([]byte(m.Name)); err != nil {
		return fmt.Errorf("set hostname: %w", err)
	}
	for _, mount := range []struct {
		source, target, kind, options string
		flags                         uintptr
	}{
		// First of all, nothing done here may reach the machine's mounts.
		{"", "/", "", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{"tmpfs", "/run", "tmpfs", "mode=755", unix.MS_NOSUID | unix.MS_NODEV},
		{filepath.Join(p.Dir, m.Name, "lib"), "/var/lib", "", "", unix.MS_BIND},
		{filepath.Join(p.Dir, m.Name, "log"), "/var/log", "", "", unix.MS_BIND},
		// Pods may ask for mounts that appear later on the node, and for the other way round.
		{"", "/", "", "", unix.MS_REC | unix.MS_SHARED},
	} {
		if err := unix.Mount(mount.source, mount.target, mount.kind, mount.flags, mount.options); err != nil {
			return fmt.Errorf("mount %s on %s: %w", mount.source, mount.target, err)
		}
	}
	for _, path := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/bridge/bridge-nf-call-iptables"} {
		if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
			return fmt.Errorf("%w (the kernel needs bridges and br_netfilter)", err)
		}
	}
	return nil
}
