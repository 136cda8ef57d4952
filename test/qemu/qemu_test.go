package qemu

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/cluster"
)

// wantChecks are the checks of package inside.
var wantChecks = []string{
	"the node has version 2 alone",
	"memory.high reclaims and does not kill",
	"memory.high holds up what cannot be reclaimed",
	"a burst stands in the way of a lower quota",
	"io.weight is sent where it is there",
	"a weight is never more than the kubelet gives",
	"a kill for want of memory is its container's",
	"a throttled container's pressure grows",
	"a Pod used what its containers used",
	"an OOM score is only ever raised",
	"node/cgroup's own tests",
	"node/redirect's own tests",
	"node's own tests of cgroups",
}

// TestVersion2Alone boots a kernel with cgroups of version 2 alone.
func TestVersion2Alone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	root, err := cluster.CacheRoot(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := Packages(ctx, filepath.Join(root, "qemu"), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	programs := map[string]string{}
	for name, dir := range map[string]string{"cgroup": "../../node/cgroup", "redirect": "../../node/redirect", "node": "../../node"} {
		programs["/tests/"+name] = compile(ctx, t, work, "test", dir)
	}
	containers := func(f Files) error { return errors.Join(f.Dir("/rootfs/proc"), f.Dir("/rootfs/dev")) }
	m := &Machine{Packages: packages, Work: work, Init: compile(ctx, t, work, "build", "./inside"), Disk: filepath.Join(work, "disk"),
		// Whoever has waited for a process on its one CPU then reads all of its time, also that of its last moments.
		CPUs: 1, Memory: 1024,
		// A Pod's link, and what the redirect's rules consist of.
		Modules: []string{"veth", "nf_tables", "nft_chain_nat", "nft_redir", "nft_ct", "nft_socket", "nft_fib_inet", "nf_conntrack_netlink"},
		Files: []Put{Busybox(packages, []string{"sh", "dd", "sleep", "cat", "true"}, "", "/rootfs"), Linked(ctx, "runc", "ip"),
			Copies(programs), containers},
	}
	// The disk has files for the page cache: zeros.
	if err := Zeros(m.Disk, 256<<20); err != nil {
		t.Fatal(err)
	}
	check(ctx, t, m, wantChecks)
}

// check boots a machine. Each check in it is a test here.
func check(ctx context.Context, t *testing.T, m *Machine, want []string) {
	t.Helper()
	began := time.Now()
	results, console, err := m.Run(ctx)
	t.Logf("the machine ran for %s", time.Since(began).Round(time.Second))
	if err != nil {
		t.Errorf("the machine: %v", err)
	}
	found := map[string]Result{}
	for _, r := range results {
		found[r.Name] = r
	}
	for _, name := range want {
		t.Run(name, func(t *testing.T) {
			r, ok := found[name]
			t.Log(r.Seen)
			if !ok {
				t.Error("did not run")
			}
			if r.Error != "" {
				t.Error(r.Error)
			}
		})
	}
	if len(results) != len(want) {
		t.Errorf("%d checks ran, want %d", len(results), len(want))
	}
	if t.Failed() {
		t.Logf("the console:\n%s", console)
	}
}

// compile makes a static program of a package: of its tests, or of its command.
func compile(ctx context.Context, t *testing.T, dir, what, pkg string) string {
	t.Helper()
	out := filepath.Join(dir, filepath.Base(pkg)+"-"+what)
	args := map[string][]string{"build": {"build", "-ldflags", "-s -w", "-o", out, pkg}, "test": {"test", "-c", "-ldflags", "-s -w", "-o", out, pkg}}[what]
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}
