//go:build linux

package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchies lists where cgroups are mounted: one place on pure cgroup v2, one per controller on v1.
func hierarchies() ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return cgroupMounts(string(b))
}

func cgroupMounts(mountinfo string) ([]string, error) {
	var out []string
	for line := range strings.Lines(mountinfo) {
		mount, kind, found := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !found || len(fields) < 5 || !strings.HasPrefix(kind, "cgroup") || !strings.HasPrefix(fields[4], "/sys/fs/cgroup") {
			continue
		}
		if !slices.Contains(out, fields[4]) {
			out = append(out, fields[4])
		}
	}
	if len(out) == 0 {
		return nil, errors.New("/proc/self/mountinfo: no cgroups below /sys/fs/cgroup")
	}
	return out, nil
}

// makeCgroups makes the cgroup of each node in each hierarchy. The kubelet wants it to be there.
func makeCgroups(p plan) error {
	mounts, err := hierarchies()
	if err != nil {
		return err
	}
	for _, mount := range mounts {
		for _, m := range p.Nodes {
			dir := filepath.Join(mount, p.cgroup(), m.Name)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			cgroup := filepath.Join(p.cgroup(), m.Name)
			if err := errors.Join(inheritCPUs(mount, cgroup), passControllersOn(mount, cgroup)); err != nil {
				return err
			}
		}
	}
	return nil
}

// inheritCPUs fills what a new cpuset of cgroup v1 starts without, from the top down; nothing can run in an empty one.
func inheritCPUs(mount, cgroup string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(mount, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another controller, or cgroup v2, where an empty one means the parent's
		}
		if err != nil {
			return err
		}
		dir := mount
		for part := range strings.SplitSeq(strings.Trim(cgroup, "/"), "/") {
			dir = filepath.Join(dir, part)
			if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// passControllersOn lets a cgroup of v2 have the controllers that the kubelet wants there: each cgroup above it must say
// so. The machine's own root is written to only where one is missing, which is how any container runtime begins.
func passControllersOn(mount, cgroup string) error {
	above := mount
	for part := range strings.SplitSeq(strings.Trim(cgroup, "/"), "/") {
		has, err := controllers(filepath.Join(above, "cgroup.controllers"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // cgroup v1
		}
		if err != nil {
			return err
		}
		control := filepath.Join(above, "cgroup.subtree_control")
		passes, err := controllers(control)
		if err != nil {
			return err
		}
		for _, c := range has {
			if !slices.Contains(passes, c) {
				err = errors.Join(err, os.WriteFile(control, []byte("+"+c), 0o644))
			}
		}
		if err != nil {
			return err
		}
		above = filepath.Join(above, part)
	}
	return nil
}

// controllers reads those of the kubelet's in a file.
func controllers(file string) ([]string, error) {
	b, err := os.ReadFile(file)
	return slices.DeleteFunc(strings.Fields(string(b)), func(c string) bool {
		return !slices.Contains([]string{"cpu", "cpuset", "hugetlb", "io", "memory", "pids"}, c)
	}), err
}

// removeCgroups removes the instance's child from each hierarchy, deepest first. The kernel may still be busy with
// processes that have just ended, so it is tried for a while.
func removeCgroups(name string) error {
	mounts, err := hierarchies()
	if err != nil {
		return err
	}
	for _, mount := range mounts {
		root := filepath.Join(mount, cgroupOf(name))
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			err := removeTree(root)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
				return err
			}
		}
	}
	return nil
}

func removeTree(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(dirs)
	for _, dir := range dirs {
		if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		}
	}
	return nil
}
