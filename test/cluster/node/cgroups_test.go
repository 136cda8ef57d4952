//go:build linux

package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCgroupsAreFoundWhereverTheyAreMounted(t *testing.T) {
	for _, tc := range []struct {
		name, mountinfo string
		want            []string
	}{
		{"pure cgroup v2", `23 1 8:1 / / rw - ext4 /dev/sda1 rw
31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
`, []string{"/sys/fs/cgroup"}},
		{"hybrid, as systemd mounts it", `25 1 0:22 / /sys/fs/cgroup ro - tmpfs tmpfs ro
26 25 0:23 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
27 25 0:24 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
28 25 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
`, []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory"}},
		{"mounted once more elsewhere", `31 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
40 23 0:26 / /run/other/cgroup rw - cgroup2 cgroup2 rw
41 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
`, []string{"/sys/fs/cgroup"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := cgroupMounts(tc.mountinfo)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := cgroupMounts("23 1 8:1 / / rw - ext4 /dev/sda1 rw\n"); err == nil {
		t.Error("a machine without cgroups is taken")
	}
}

// A cpuset of cgroup v1 starts empty, at every level; one of v2 takes its parent's.
func TestCPUsAreInherited(t *testing.T) {
	v1, v2 := t.TempDir(), t.TempDir()
	for _, root := range []string{v1, v2} {
		if err := os.MkdirAll(filepath.Join(root, "pillion-x", "node-1"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file, content := range map[string]string{"cpuset.cpus": "0-3\n", "cpuset.mems": "0\n"} {
		if err := os.WriteFile(filepath.Join(v1, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, root := range []string{v1, v2} {
		if err := inheritCPUs(root, "/pillion-x/node-1"); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"pillion-x", "pillion-x/node-1"} {
		for file, want := range map[string]string{"cpuset.cpus": "0-3\n", "cpuset.mems": "0\n"} {
			if b, err := os.ReadFile(filepath.Join(v1, dir, file)); err != nil || string(b) != want {
				t.Errorf("v1: %s/%s: %q (%v), want %q", dir, file, b, err, want)
			}
			if _, err := os.Stat(filepath.Join(v2, dir, file)); err == nil {
				t.Errorf("v2: %s/%s was written", dir, file)
			}
		}
	}
}

// This machine need not have cgroup v2: files stand in for it, which unlike the kernel's keep the last write alone.
func TestControllersArePassedOn(t *testing.T) {
	root := t.TempDir()
	cgroup := filepath.Join(root, "pillion-x", "node-1")
	if err := os.MkdirAll(cgroup, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{
		"cgroup.controllers": "cpu memory rdma\n", "cgroup.subtree_control": "memory\n",
		"pillion-x/cgroup.controllers": "cpu memory\n", "pillion-x/cgroup.subtree_control": "cpu\n",
	} {
		if err := os.WriteFile(filepath.Join(root, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := passControllersOn(root, "/pillion-x/node-1"); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"cgroup.subtree_control": "+cpu", "pillion-x/cgroup.subtree_control": "+memory"} {
		if b, err := os.ReadFile(filepath.Join(root, file)); err != nil || string(b) != want {
			t.Errorf("%s: last write %q (%v), want %q", file, b, err, want)
		}
	}
	if err := passControllersOn(t.TempDir(), "/pillion-x/node-1"); err != nil {
		t.Errorf("on cgroup v1: %v", err)
	}
}
