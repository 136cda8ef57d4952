package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// assetsVariable names a directory with ready-made programs; it is the variable that envtest reads too.
const assetsVariable = "KUBEBUILDER_ASSETS"

// NodePrograms can be asked of Build: all that package node runs and needs.
const NodePrograms = "node"

// program is one program of the test bed and where its source is pinned.
type program struct {
	name   string
	module string // folder of the nested module, below test/cluster
	pkg    string
	always bool // part of every control plane, not only built when asked for
	node   bool // part of NodePrograms besides those
}

func programs() []program {
	const (
		kubernetes = "k8s.io/kubernetes/cmd/"
		containerd = "github.com/containerd/containerd/v2/cmd/"
		cni        = "github.com/containernetworking/plugins/plugins/"
	)
	return []program{
		{name: "etcd", module: "etcd", pkg: "go.etcd.io/etcd/server/v3", always: true},
		{name: "kube-apiserver", module: "k8s", pkg: kubernetes + "kube-apiserver", always: true},
		{name: "kube-controller-manager", module: "k8s", pkg: kubernetes + "kube-controller-manager", always: true},
		{name: "kube-scheduler", module: "k8s", pkg: kubernetes + "kube-scheduler", node: true},
		{name: "kubelet", module: "k8s", pkg: kubernetes + "kubelet", node: true},
		{name: "kube-proxy", module: "k8s", pkg: kubernetes + "kube-proxy", node: true},
		{name: "kubectl", module: "k8s", pkg: kubernetes + "kubectl", node: true},
		{name: "containerd", module: "runtime", pkg: containerd + "containerd", node: true},
		{name: "containerd-shim-runc-v2", module: "runtime", pkg: containerd + "containerd-shim-runc-v2", node: true},
		{name: "ctr", module: "runtime", pkg: containerd + "ctr", node: true},
		{name: "bridge", module: "runtime", pkg: cni + "main/bridge", node: true},
		{name: "loopback", module: "runtime", pkg: cni + "main/loopback", node: true},
		{name: "host-local", module: "runtime", pkg: cni + "ipam/host-local", node: true},
		{name: "portmap", module: "runtime", pkg: cni + "meta/portmap", node: true},
		{name: "pause", module: "pause", pkg: ".", node: true},
		{name: "archive", module: "pause", pkg: "./archive", node: true},
		{name: "coredns", module: "dns", pkg: ".", node: true},
		{name: "helm", module: "helm", pkg: "helm.sh/helm/v4/cmd/helm", node: true},
		{name: "helm3", module: "helm3", pkg: "helm.sh/helm/v3/cmd/helm"},
		{name: "certmanager", module: "certmanager", pkg: "."},
		{name: "certmanager-webhook", module: "certmanager/webhook", pkg: "."},
	}
}

// buildArgs are part of the cache key: programs built in another way are other programs. kubernetes is the version that
// the programs will say they are, as a build from a module knows none; other programs have no such variables.
func buildArgs(kubernetes string) []string {
	ldflags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		ldflags += fmt.Sprintf(" -X %s.gitVersion=%s", pkg, kubernetes)
	}
	return []string{"build", "-trimpath", "-ldflags", ldflags}
}

var kubernetesPin = regexp.MustCompile(`(?m)^(?:require)?\s+k8s\.io/kubernetes (v\S+)`)

// kubernetesVersion is the one that the nested module pins.
func kubernetesVersion(source string) (string, error) {
	path := filepath.Join(source, "k8s", "go.mod")
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	pin := kubernetesPin.FindSubmatch(b)
	if pin == nil {
		return "", fmt.Errorf("%s: does not require k8s.io/kubernetes", path)
	}
	return string(pin[1]), nil
}

// Build makes sure that etcd, kube-apiserver, kube-controller-manager and the programs named in with exist, and returns
// the directory they are in; NodePrograms names many at once. What is missing is built from the nested modules next to
// this package, at a low priority, which takes minutes once; progress goes to log. The result is kept below the user's
// cache directory, under a key made of the modules' files, the Go version and the platform. Two processes never build at
// once.
//
// With KUBEBUILDER_ASSETS set, its directory is returned and nothing is built; a program missing from it is an error.
func Build(ctx context.Context, log io.Writer, with ...string) (string, error) {
	wanted, err := selectPrograms(with)
	if err != nil {
		return "", err
	}
	if dir := os.Getenv(assetsVariable); dir != "" {
		if lacking := missing(dir, wanted); len(lacking) > 0 {
			return "", fmt.Errorf("%s=%s: no program %s", assetsVariable, dir, strings.Join(names(lacking), ", "))
		}
		return filepath.Abs(dir)
	}
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	dir, err := cacheDir(source, log, modules()...)
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "bin")
	if len(missing(bin, wanted)) == 0 {
		return bin, nil
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	unlock, err := waitLock(ctx, filepath.Join(filepath.Dir(dir), "lock"), func() {
		fmt.Fprintln(log, "cluster: another process builds, waiting for it")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	lacking := missing(bin, wanted)
	done := 0
	for _, batch := range batches(lacking) {
		fmt.Fprintf(log, "cluster: %s: %d of %d programs that are missing, minutes once\n", said(batch), done+len(batch), len(lacking))
		if err := provide(ctx, log, batch, source, bin); err != nil {
			return "", err
		}
		done += len(batch)
	}
	return bin, nil
}

// batches are what is built at once: programs of one module whose packages have their names. Built in turn, each would have
// one processor wait while the other links.
func batches(ps []program) (out [][]program) {
	for _, p := range ps {
		own := func(o program) bool { return o.module == p.module && path.Base(o.pkg) == o.name }
		if i := len(out) - 1; i >= 0 && own(p) && own(out[i][0]) {
			out[i] = append(out[i], p)
			continue
		}
		out = append(out, []program{p})
	}
	return out
}

// said names programs for people.
func said(ps []program) string { return strings.Join(names(ps), ", ") }

// provide links programs of one module into bin from the module's own directory, so that another pin in one module does not
// let the programs of all be built again.
func provide(ctx context.Context, log io.Writer, batch []program, source, bin string) error {
	dir, err := cacheDir(source, log, batch[0].module)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if lacking := missing(dir, batch); len(lacking) > 0 {
		if err := buildPrograms(ctx, log, lacking, source, dir); err != nil {
			return err
		}
	}
	for _, p := range batch {
		if err := os.Link(filepath.Join(dir, p.name), filepath.Join(bin, p.name)); err != nil {
			return err
		}
	}
	return nil
}

// Programs are the names of what Build makes sure of.
func Programs(with ...string) ([]string, error) {
	wanted, err := selectPrograms(with)
	return names(wanted), err
}

func selectPrograms(with []string) ([]program, error) {
	var wanted []program
	optional := []string{NodePrograms}
	for _, p := range programs() {
		if p.always || slices.Contains(with, p.name) || p.node && slices.Contains(with, NodePrograms) {
			wanted = append(wanted, p)
		}
		if !p.always {
			optional = append(optional, p.name)
		}
	}
	for _, name := range with {
		if !slices.Contains(optional, name) && !slices.Contains(names(wanted), name) {
			return nil, fmt.Errorf("program %q: unknown, can be asked for: %s", name, strings.Join(optional, ", "))
		}
	}
	return wanted, nil
}

func missing(bin string, wanted []program) []program {
	return slices.DeleteFunc(slices.Clone(wanted), func(p program) bool {
		info, err := os.Stat(filepath.Join(bin, p.name))
		return err == nil && info.Mode().IsRegular()
	})
}

func names(ps []program) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.name)
	}
	return out
}

// buildPrograms builds a batch in a directory of its own and renames, so that a program in bin is always a whole one.
func buildPrograms(ctx context.Context, log io.Writer, batch []program, source, bin string) error {
	began := time.Now()
	seconds := func() int { return int(time.Since(began).Seconds()) }
	version, err := kubernetesVersion(source)
	if err != nil {
		return err
	}
	partial := filepath.Join(bin, ".partial") // one that was killed may have left it
	if err := errors.Join(os.RemoveAll(partial), os.Mkdir(partial, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(partial)
	args := append(buildArgs(version), "-o", partial)
	if len(batch) == 1 {
		args[len(args)-1] = filepath.Join(partial, batch[0].name)
	}
	for _, p := range batch {
		args = append(args, p.pkg)
	}
	cmd := niceCommand(ctx, "go", args...)
	cmd.Dir = filepath.Join(source, batch[0].module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output

	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: %w", said(batch), err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprintf(log, "cluster: %s: building, %d s\n", said(batch), seconds())
			continue
		case err = <-ended:
		}
		break
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("build %s: %w", said(batch), ctx.Err())
	case err != nil:
		return fmt.Errorf("build %s: %w\n%s", said(batch), err, lastLines(output.String(), 20))
	}
	for _, p := range batch {
		if err := os.Rename(filepath.Join(partial, p.name), filepath.Join(bin, p.name)); err != nil {
			return err
		}
	}
	fmt.Fprintf(log, "cluster: %s: built in %d s\n", said(batch), seconds())
	return nil
}

// niceCommand lets a build that takes every processor for minutes give way to what else the machine does.
func niceCommand(ctx context.Context, name string, args ...string) *exec.Cmd {
	if nice, err := exec.LookPath("nice"); err == nil {
		return exec.CommandContext(ctx, nice, append([]string{"-n", "10", name}, args...)...)
	}
	return exec.CommandContext(ctx, name, args...)
}
