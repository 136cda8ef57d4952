//go:build linux

package node

import (
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// machine is what an instance must leave as it was.
type machine struct {
	Mounts     string
	Interfaces []string
	Tables     string          // of nftables
	Paths      map[string]bool // which of these there are
}

// usualPaths are where the programs of a node write when nobody tells them otherwise.
var usualPaths = []string{
	"/etc/cni", "/etc/containerd", "/etc/kubernetes", "/etc/nri", "/opt/cni", "/opt/containerd", "/opt/nri",
	"/run/containerd", "/run/netns", "/run/nri", "/run/runc", "/run/xtables.lock", "/usr/libexec/kubernetes",
	"/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/nri", "/var/log/containers", "/var/log/pods",
}

func lookAtMachine(t *testing.T) machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal(ErrNotRoot)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := exec.Command("nft", "list", "tables").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, tables)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	m := machine{Mounts: string(mounts), Tables: string(tables), Paths: map[string]bool{}}
	for _, i := range interfaces {
		m.Interfaces = append(m.Interfaces, i.Name)
	}
	for _, path := range usualPaths {
		_, err := os.Lstat(path)
		m.Paths[path] = err == nil
	}
	return m
}

// traces is what the machine sees of an instance.
type traces struct {
	Processes  map[int]uint64  // of the instance: number and begin
	Namespaces map[string]bool // that these are in and this process is not
	Cgroups    []string
}

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

// lookAtInstance finds every process below the first one, and what else belongs to it.
func lookAtInstance(t *testing.T, n *Node) traces {
	t.Helper()
	all, err := allProcesses()
	if err != nil {
		t.Fatal(err)
	}
	out := traces{Processes: map[int]uint64{}, Namespaces: map[string]bool{}, Cgroups: cgroups(t, n.Name)}
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
	return out
}

func cgroups(t *testing.T, name string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil // other cgroups come and go
		}
		if "/"+e.Name() == cgroupOf(name) {
			out = append(out, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wantTraces fails where an instance that is up leaves none of some kind: then their absence later would say nothing.
func wantTraces(t *testing.T, seen traces, nodes int) {
	t.Helper()
	if len(seen.Processes) < 9 {
		t.Errorf("%d processes of the instance were found, want 9 or more", len(seen.Processes))
	}
	if want := nodes * len(kinds); len(seen.Namespaces) < want {
		t.Errorf("namespaces of the instance: %v, want %d or more", slices.Sorted(maps.Keys(seen.Namespaces)), want)
	}
	if mounts, err := hierarchies(); err != nil || len(seen.Cgroups) != len(mounts) {
		t.Errorf("cgroups of the instance: %v, want one in each of %v (%v)", seen.Cgroups, mounts, err)
	}
}

// wantNoTraces fails where anything is left of an instance that is down.
func wantNoTraces(t *testing.T, n *Node, before machine, seen ...traces) {
	t.Helper()
	all, err := allProcesses()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range seen {
		for _, p := range all {
			if began, ours := s.Processes[p.pid]; ours && began == p.began {
				t.Errorf("process %d is left", p.pid)
			}
			for _, namespace := range namespaces(p.pid) {
				if s.Namespaces[namespace] {
					t.Errorf("process %d is in the instance's namespace %s", p.pid, namespace)
				}
			}
		}
	}
	for _, p := range all {
		if args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid)); strings.Contains(string(args), n.Dir) {
			t.Errorf("process %d is left: %s", p.pid, strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	if left := cgroups(t, n.Name); len(left) > 0 {
		t.Errorf("cgroups are left: %v", left)
	}
	if _, err := os.Stat(n.Dir); !os.IsNotExist(err) {
		t.Errorf("directory %s after Down: %v, want it gone", n.Dir, err)
	}
	// Tests of other packages run at the same time; what they change is soon as it was.
	diff := cmp.Diff(before, lookAtMachine(t))
	for deadline := time.Now().Add(10 * time.Second); diff != "" && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		diff = cmp.Diff(before, lookAtMachine(t))
	}
	if diff != "" {
		t.Errorf("the machine is not as before (-before +after):\n%s", diff)
	}
}
