package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Hierarchies are the mounts of the node's cgroups, by controller; the empty name is the hierarchy of version 2.
type Hierarchies map[string]string

// Find reads the mounts of this process.
func Find() (Hierarchies, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cgroups: %w", err)
	}
	return ParseMounts(string(text)), nil
}

// ParseMounts reads /proc/PID/mountinfo.
func ParseMounts(text string) Hierarchies {
	out := Hierarchies{}
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		switch at := fields[4]; kind[0] {
		case "cgroup2":
			if _, known := out[""]; !known {
				out[""] = at
			}
		case "cgroup":
			for name := range strings.SplitSeq(kind[2], ",") {
				switch name {
				case "cpu", "cpuacct", "memory", "blkio":
					if _, known := out[name]; !known {
						out[name] = at
					}
				}
			}
		}
	}
	return out
}

// Version1 reports whether CPU and memory are controlled by version 1.
func (h Hierarchies) Version1() bool { return h["cpu"] != "" || h["memory"] != "" }

// Supports looks which files the cgroup of a process has; it should be that of a container, as this one's is on a node.
func (h Hierarchies) Supports(p Paths) Supported {
	s := Supported{Version1: h.Version1()}
	has := func(file string) bool {
		_, err := os.Lstat(filepath.Join(h[""], p[""], file))
		return h[""] != "" && err == nil
	}
	s.Weight, s.High, s.Burst, s.IOWeight = has(fileWeight), has(FileHigh), has(fileBurst), has(fileIOWeight)
	return s
}

// Dir is one container's cgroups: directories that are held open by their paths' roots, so that no link leads out of them.
type Dir struct {
	roots map[string]*os.Root
	paths Paths
}

// Open opens the cgroups of a container. Each path has to be clean and to have the container's id in it.
func (h Hierarchies) Open(p Paths, id string) (*Dir, error) {
	d := &Dir{roots: map[string]*os.Root{}, paths: p}
	for name, mount := range h {
		at, ok := p[name]
		if !ok || at == "/" {
			continue
		}
		if !path.IsAbs(at) || path.Clean(at) != at || !strings.Contains(at, id) {
			d.Close()
			return nil, fmt.Errorf("cgroup %q is not that of container %s", at, id)
		}
		root, err := openBelow(mount, at)
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("cgroup: %w", err)
		}
		d.roots[name] = root
	}
	if len(d.roots) == 0 {
		return nil, fmt.Errorf("container %s has no cgroup: %w", id, fs.ErrNotExist)
	}
	return d, nil
}

// openBelow opens a directory below a mount. No link on the way leads out of the mount.
func openBelow(mount, at string) (*os.Root, error) {
	top, err := os.OpenRoot(mount)
	if err != nil {
		return nil, err
	}
	root, err := top.OpenRoot(strings.TrimPrefix(at, "/"))
	return root, errors.Join(err, top.Close())
}

// Close lets go of it.
func (d *Dir) Close() {
	for _, r := range d.roots {
		_ = r.Close()
	}
}

// read gives a file of a controller; empty where there is none.
func (d *Dir) read(controller, file string) (string, bool) {
	root := d.roots[controller]
	if root == nil {
		return "", false
	}
	b, err := root.ReadFile(file)
	return string(b), err == nil
}

// DropBurst has a container keep no unused time: the kernel takes no lower quota while the burst exceeds it.
func (d *Dir) DropBurst() error {
	root := d.roots[""]
	if root == nil {
		return nil
	}
	file, err := root.OpenFile(fileBurst, os.O_WRONLY, 0)
	if err != nil {
		return nil // a kernel without it
	}
	defer file.Close()
	_, err = file.WriteString("0")
	return err
}
