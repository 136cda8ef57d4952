//go:build prove

package qemu

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/cluster"
)

// TestBedOnVersion2Alone brings a whole Kubernetes up on such a kernel and runs a Pod with a sidecar.
func TestBedOnVersion2Alone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	defer cancel()
	want := []string{
		"the bed comes up on version 2 alone",
		"the bed is one cgroup of the machine's",
		"a Pod with an injected sidecar is ready",
		"its cgroups are the bed's, as the kubelet set them",
		"nothing is left of the bed",
	}
	root, err := cluster.CacheRoot(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := Packages(ctx, filepath.Join(root, "qemu"), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	m := &Machine{Packages: packages, Work: work, Init: compile(ctx, t, work, "build", "./bed"), Disk: filepath.Join(work, "disk"),
		// With two processors the emulated kernel was seen to hang. Go's TLS takes ChaCha20 where a processor has no AES, which is slow where that is emulated.
		CPUs: 1, Memory: 3072, Lacks: ",-aes,-pclmulqdq", Words: "mitigations=off no5lvl", Console: console(t), Modules: bedModules,
		Files: []Put{func(f Files) error { return f.Dir("/disk") }}}
	bedDisk(ctx, t, m, []string{"app"})
	check(ctx, t, m, want)
}

// bedModules are for containers' file systems, Pods' links and kube-proxy's rules.
var bedModules = []string{"overlay", "veth", "bridge", "br_netfilter", "nf_tables", "nft_chain_nat", "nft_nat", "nft_masq", "nft_redir",
	"nft_reject_inet", "nft_ct", "nft_numgen", "nft_hash", "nft_limit", "nft_socket", "nft_fib_inet", "nf_conntrack_netlink"}

// bedDisk makes the disk: the bed's programs, images, Pillion's program, and what a node's programs run.
func bedDisk(ctx context.Context, t *testing.T, m *Machine, images []string) {
	t.Helper()
	bin, err := cluster.Build(ctx, os.Stderr, cluster.NodePrograms)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	tree := Tree(filepath.Join(m.Work, "tree"))
	files := map[string]string{"/init": m.Init}
	for _, command := range []string{"../cluster/cmd/cluster", "../../cmd/pillion"} {
		files["/bin/"+filepath.Base(command)] = compile(ctx, t, m.Work, "build", command)
	}
	programs, err := cluster.Programs(cluster.NodePrograms)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		files["/bed/bin/"+name] = filepath.Join(bin, name)
	}
	for i, path := range archives(ctx, t, images...) {
		files["/images/"+images[i]+".tar"] = path
	}
	for _, put := range []Put{
		Copies(files), Busybox(m.Packages, []string{"sh", "wget"}, ""), Linked(ctx, "runc", "nft", "ip", "mount", "umount"),
		All("/test", "bed/testdata"),
	} {
		err = errors.Join(err, put(tree))
	}
	// The kubelet looks users up, and containerd gives a copy of the names of hosts to Pods that are the node's.
	for name, text := range map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "/etc/group": "root:x:0:\n", "/etc/hosts": "127.0.0.1 localhost\n",
	} {
		err = errors.Join(err, tree.Text(name, text))
	}
	for _, dir := range []string{"/proc", "/sys", "/dev", "/tmp", "/run", "/root", "/var/run", "/var/lib", "/var/log", "/usr/lib"} {
		err = errors.Join(err, tree.Dir(dir))
	}
	if err := errors.Join(err, Ext4(ctx, m.Disk, 3<<30, tree)); err != nil {
		t.Fatal(err)
	}
	t.Logf("the disk was made in %s", time.Since(began).Round(time.Second))
}

// archives builds images of the test bed, or finds them in the cache, and returns where they are, in the order of their names.
func archives(ctx context.Context, t *testing.T, names ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "./cmd/images", "build"}, names...)...)
	cmd.Dir, cmd.Stderr = "../images", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	paths := strings.Fields(string(out))
	if len(paths) != len(names) {
		t.Fatalf("archives %q of images %q", paths, names)
	}
	return paths
}

// console shows what a machine says while it does, with -v.
func console(t *testing.T) io.Writer {
	if testing.Verbose() {
		return t.Output()
	}
	return nil
}
