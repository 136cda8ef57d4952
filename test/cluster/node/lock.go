//go:build linux

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// errRunning says that an instance lives, or that another program is starting or ending it just now.
var errRunning = errors.New("is in use")

// claim makes an instance's name this program's own. It is a socket address that is no file: the name is free again when
// the last process that has the socket open has ended, however that was. A caller that was killed just now may be about to
// end, so it is tried for a second.
func claim(name string) (*os.File, error) {
	for deadline := time.Now().Add(time.Second); ; time.Sleep(20 * time.Millisecond) {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@pillion-node-" + name, Net: "unix"})
		switch {
		case err == nil:
			f, err := l.File()
			return f, errors.Join(err, l.Close()) // the file is open on its own
		case !errors.Is(err, unix.EADDRINUSE):
			return nil, err
		case time.Now().After(deadline):
			return nil, fmt.Errorf("instance %q: %w", name, errRunning)
		}
	}
}

// onlyOurs guards a directory that Up or Down would empty: it has an instance of this name in it, or nothing.
func onlyOurs(dir, name string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) == 1 && entries[0].Name() == planFile+".new" {
		return nil // killed at its very beginning
	}
	found, err := loadPlan(filepath.Join(dir, planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: holds files, but none of an instance: choose another directory", dir)
	}
	if err == nil && found.Name != name {
		return fmt.Errorf("%s: holds instance %q: choose another directory", dir, found.Name)
	}
	return err
}

// clear removes all that an instance left. No process of it may live.
func clear(dir, name string) error {
	if err := onlyOurs(dir, name); err != nil {
		return err
	}
	return errors.Join(removeCgroups(name), os.RemoveAll(dir))
}
