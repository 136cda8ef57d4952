package namespace

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Net is a network namespace that is held open: it cannot become another one under its path while it is used.
type Net struct {
	file *os.File
	// Inode tells it from all others.
	Inode uint64
}

// ErrHost says that a network namespace is the node's own. It is never touched.
var ErrHost = errors.New("the network namespace is the node's own")

// OpenNet opens the network namespace that a path names, as a runtime gives it: a bind mount below /run/netns, or
// /proc/PID/ns/net. host is the inode number of the node's own, which is refused with ErrHost.
func OpenNet(path string, host uint64) (*Net, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", path, err)
	}
	n := &Net{file: os.NewFile(uintptr(fd), path)}
	if err := n.check(fd, host); err != nil {
		_ = n.Close()
		return nil, fmt.Errorf("network namespace %s: %w", path, err)
	}
	return n, nil
}

func (n *Net) check(fd int, host uint64) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if fs.Type != unix.NSFS_MAGIC {
		return errors.New("is no namespace")
	}
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	if err != nil {
		return err
	}
	if kind != unix.CLONE_NEWNET {
		return errors.New("is no network namespace")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if n.Inode = st.Ino; n.Inode == host {
		return ErrHost
	}
	return nil
}

// Close lets go of it.
func (n *Net) Close() error { return n.file.Close() }

// Fd is its file descriptor, until it is closed.
func (n *Net) Fd() int { return int(n.file.Fd()) }

// Entry is for a thread to enter it.
func (n *Net) Entry() Entry { return Entry{n.file, unix.CLONE_NEWNET} }

// Within runs f on a thread of its own in the namespace: sockets that f opens belong there.
func (n *Net) Within(f func() error) error { return In(f, n.Entry()) }

// Holds checks that the network namespace that the thread is in has one of the addresses, which are a Pod's: the path by which
// it was entered may lead somewhere else by now.
func Holds(ips []netip.Addr) error {
	found, err := addresses()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(ips, func(ip netip.Addr) bool { return slices.Contains(found, ip) }) {
		return nil
	}
	return fmt.Errorf("the network namespace has none of the Pod's addresses %v", ips)
}

// InodeOf gives the inode number of the namespace that a path names, such as /proc/1/ns/net.
func InodeOf(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return st.Ino, nil
}
