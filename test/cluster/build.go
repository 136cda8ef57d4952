package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// assetsVariable names a directory with ready-made programs; it is the variable that envtest reads too.
const assetsVariable = "KUBEBUILDER_ASSETS"

// program is one program of the control plane and where its source is pinned.
type program struct {
	name   string
	module string // folder of the nested module, below test/cluster
	pkg    string
	always bool // part of every control plane, not only built when asked for
}

func programs() []program {
	return []program{
		{name: "etcd", module: "etcd", pkg: "go.etcd.io/etcd/server/v3", always: true},
		{name: "kube-apiserver", module: "k8s", pkg: "k8s.io/kubernetes/cmd/kube-apiserver", always: true},
		{name: "kube-controller-manager", module: "k8s", pkg: "k8s.io/kubernetes/cmd/kube-controller-manager", always: true},
		{name: "kubectl", module: "k8s", pkg: "k8s.io/kubernetes/cmd/kubectl"},
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

// Build makes sure that etcd, kube-apiserver, kube-controller-manager and the programs named in with (only "kubectl"
// so far) exist, and returns the directory they are in. What is missing is built from the nested modules next to this
// package, which takes minutes once; progress goes to log. The result is kept below the user's cache directory, under a
// key made of the modules' go.mod and go.sum, the Go version and the platform. Two processes never build at once.
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
	dir, err := cacheDir(source, log)
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
	unlock, err := waitLock(ctx, filepath.Join(dir, "lock"), func() {
		fmt.Fprintln(log, "cluster: another process builds, waiting for it")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	for _, p := range missing(bin, wanted) {
		if err := buildProgram(ctx, log, p, source, bin); err != nil {
			return "", err
		}
	}
	return bin, nil
}

func selectPrograms(with []string) ([]program, error) {
	var wanted []program
	var optional []string
	for _, p := range programs() {
		if p.always || slices.Contains(with, p.name) {
			wanted = append(wanted, p)
		}
		if !p.always {
			optional = append(optional, p.name)
		}
	}
	for _, name := range with {
		if !slices.Contains(names(wanted), name) {
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

// buildProgram builds under a temporary name and renames, so that a program in bin is always a whole one.
func buildProgram(ctx context.Context, log io.Writer, p program, source, bin string) error {
	began := time.Now()
	seconds := func() int { return int(time.Since(began).Seconds()) }
	partial := filepath.Join(bin, "."+p.name+".partial")
	defer os.Remove(partial)

	version, err := kubernetesVersion(source)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append(buildArgs(version), "-o", partial, p.pkg)...)
	cmd.Dir = filepath.Join(source, p.module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output

	fmt.Fprintf(log, "cluster: %s: building (minutes, once)\n", p.name)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: %w", p.name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprintf(log, "cluster: %s: building, %d s\n", p.name, seconds())
			continue
		case err := <-ended:
			if ctx.Err() != nil {
				return fmt.Errorf("build %s: %w", p.name, ctx.Err())
			}
			if err != nil {
				return fmt.Errorf("build %s: %w\n%s", p.name, err, lastLines(output.String(), 20))
			}
		}
		fmt.Fprintf(log, "cluster: %s: built in %d s\n", p.name, seconds())
		return os.Rename(partial, filepath.Join(bin, p.name))
	}
}
