//go:build linux

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Machine is what an instance must leave as it was.
type Machine struct {
	Mounts     string
	Interfaces []string
	Tables     string   // of nftables
	Paths      []string // those of usualPaths that there are
}

// usualPaths are where the programs of a node write when nobody tells them otherwise.
var usualPaths = []string{
	"/etc/cni", "/etc/containerd", "/etc/kubernetes", "/etc/nri", "/opt/cni", "/opt/containerd", "/opt/nri",
	"/run/containerd", "/run/netns", "/run/nri", "/run/runc", "/run/xtables.lock", "/usr/libexec/kubernetes",
	"/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/nri", "/var/log/containers", "/var/log/pods",
}

// LookAtMachine needs root.
func LookAtMachine() (Machine, error) {
	if os.Geteuid() != 0 {
		return Machine{}, ErrNotRoot
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Machine{}, err
	}
	tables, err := exec.Command("nft", "list", "tables").CombinedOutput()
	if err != nil {
		return Machine{}, fmt.Errorf("nft: %w\n%s", err, tables)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return Machine{}, err
	}
	m := Machine{Mounts: string(mounts), Tables: string(tables)}
	for _, i := range interfaces {
		m.Interfaces = append(m.Interfaces, i.Name)
	}
	for _, path := range usualPaths {
		if _, err := os.Lstat(path); err == nil {
			m.Paths = append(m.Paths, path)
		}
	}
	return m, nil
}

// differs names what is not as it was.
func (m Machine) differs(was Machine) error {
	var all error
	for name, v := range map[string][2]string{
		"mounts": {was.Mounts, m.Mounts}, "nftables": {was.Tables, m.Tables},
		"interfaces":  {strings.Join(was.Interfaces, " "), strings.Join(m.Interfaces, " ")},
		"usual paths": {strings.Join(was.Paths, " "), strings.Join(m.Paths, " ")},
	} {
		if v[0] != v[1] {
			all = errors.Join(all, fmt.Errorf("the machine's %s were\n%s\nand are\n%s", name, v[0], v[1]))
		}
	}
	return all
}

// Traces is what the machine sees of an instance.
type Traces struct {
	Processes  map[int]uint64  // of the instance: number and begin
	Namespaces map[string]bool // that these are in and this process is not
	Cgroups    []string        // the instance's own, one in each hierarchy
}

// kinds are those of an instance's own namespaces.
var kinds = []string{"net", "mnt", "pid", "uts", "ipc"}

func namespaces(pid int) []string {
	var out []string
	for _, kind := range kinds {
		if link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind)); err == nil {
			out = append(out, link)
		}
	}
	return out
}

// Traces finds every process below the first one, and what else belongs to the instance. One that is up and leaves none of
// some kind is an error: then their absence later would say nothing.
func (n *Node) Traces() (Traces, error) {
	all, err := allProcesses()
	if err != nil {
		return Traces{}, err
	}
	out := Traces{Processes: map[int]uint64{}, Namespaces: map[string]bool{}}
	if out.Cgroups, err = cgroups(n.Name); err != nil {
		return out, err
	}
	below := map[int]bool{n.status.PID: true}
	for grew := true; grew; {
		grew = false
		for _, p := range all {
			if !below[p.pid] && below[p.parent] {
				below[p.pid], grew = true, true
			}
		}
	}
	for _, p := range all {
		if !below[p.pid] {
			continue
		}
		out.Processes[p.pid] = p.began
		for _, namespace := range namespaces(p.pid) {
			out.Namespaces[namespace] = true
		}
	}
	for _, own := range namespaces(os.Getpid()) {
		delete(out.Namespaces, own)
	}
	return out, out.lacking(len(n.Nodes))
}

// lacking names what an instance that is up must have and this one has not: a first process, a supervisor and seven
// components, namespaces of each kind for each node, and a cgroup in each hierarchy.
func (t Traces) lacking(nodes int) error {
	var all error
	if len(t.Processes) < 9 {
		all = errors.Join(all, fmt.Errorf("%d processes of the instance were found, want 9 or more", len(t.Processes)))
	}
	if want := nodes * len(kinds); len(t.Namespaces) < want {
		all = errors.Join(all, fmt.Errorf("namespaces of the instance: %v, want %d or more", t.Namespaces, want))
	}
	mounts, err := hierarchies()
	if err == nil && len(t.Cgroups) != len(mounts) {
		err = fmt.Errorf("cgroups of the instance: %v, want one in each of %v", t.Cgroups, mounts)
	}
	return errors.Join(all, err)
}

// cgroups finds the cgroups that are named after an instance, in every hierarchy and at any depth.
func cgroups(name string) (out []string, err error) {
	err = filepath.WalkDir("/sys/fs/cgroup", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && "/"+e.Name() == cgroupOf(name) {
			out = append(out, path)
		}
		return nil // other cgroups come and go
	})
	return out, err
}

// Left names all that is left of an instance that is down. before and seen are from before its start and its end. Others
// may use the machine at the same time; what they change is soon as it was.
func (n *Node) Left(before Machine, seen ...Traces) error {
	all, err := allProcesses()
	if err != nil {
		return err
	}
	for _, p := range all {
		if args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid)); strings.Contains(string(args), n.Dir) {
			err = errors.Join(err, fmt.Errorf("process %d is left: %s", p.pid, strings.ReplaceAll(string(args), "\x00", " ")))
		}
		for _, t := range seen {
			err = errors.Join(err, t.left(p))
		}
	}
	if left, bad := cgroups(n.Name); bad != nil || len(left) > 0 {
		err = errors.Join(err, bad, fmt.Errorf("cgroups are left: %v", left))
	}
	if _, bad := os.Stat(n.Dir); !errors.Is(bad, fs.ErrNotExist) {
		err = errors.Join(err, fmt.Errorf("directory %s after Down: %v, want it gone", n.Dir, bad)) //nolint:errorlint // nil too
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		now, bad := LookAtMachine()
		if bad == nil {
			bad = now.differs(before)
		}
		if bad == nil || time.Now().After(deadline) {
			return errors.Join(err, bad)
		}
	}
}

// left tells whether a process is of the instance, or in a namespace of it. The kernel gives the numbers of namespaces that are
// gone to new ones, so a process that is also in one that is neither the instance's nor the machine's is another instance's.
func (t Traces) left(p process) error {
	if began, ours := t.Processes[p.pid]; ours && began == p.began {
		return fmt.Errorf("process %d is left", p.pid)
	}
	var in []string
	own := namespaces(os.Getpid())
	for _, namespace := range namespaces(p.pid) {
		switch {
		case t.Namespaces[namespace]:
			in = append(in, namespace)
		case !slices.Contains(own, namespace):
			return nil
		}
	}
	if len(in) > 0 {
		return fmt.Errorf("process %d is in the instance's namespaces %s", p.pid, in)
	}
	return nil
}
