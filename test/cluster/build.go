package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
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

// buildArgs are part of the cache key: programs built in another way are other programs.
func buildArgs() []string { return []string{"build", "-trimpath", "-ldflags", "-s -w"} }

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

	cmd := exec.CommandContext(ctx, "go", append(buildArgs(), "-o", partial, p.pkg)...)
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

// sourceDir finds test/cluster: where the compiler saw this file or, as that path is cut by -trimpath, above the working
// directory. The nested modules cannot be embedded, because each has a go.mod of its own.
func sourceDir() (string, error) {
	_, self, _, _ := runtime.Caller(0)
	if dir := filepath.Dir(self); filepath.IsAbs(self) && hasModules(dir) {
		return dir, nil
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if source := filepath.Join(dir, "test", "cluster"); hasModules(source) {
			return source, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no test/cluster/k8s/go.mod in %s or above: run inside the repository, or set %s", wd, assetsVariable)
		}
	}
}

func hasModules(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "k8s", "go.mod"))
	return err == nil
}

// cacheDir returns the directory of the programs that source and this Go version make.
func cacheDir(source string, log io.Writer) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, buildArgs())
	for _, file := range []string{"etcd/go.mod", "etcd/go.sum", "k8s/go.mod", "k8s/go.sum"} {
		b, err := os.ReadFile(filepath.Join(source, file))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, file, len(b))
		sum.Write(b)
	}
	key := hex.EncodeToString(sum.Sum(nil))[:12]
	root, err := os.UserCacheDir()
	if err == nil {
		return filepath.Join(root, "pillion", "cluster", key), nil
	}
	// Programs are run from there, so a name in a directory that all may write to must be ours alone.
	root = filepath.Join(os.TempDir(), fmt.Sprintf("pillion-%d", os.Getuid()))
	fmt.Fprintf(log, "cluster: %v: programs are kept in %s\n", err, root)
	if err := os.Mkdir(root, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(root)
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Getuid() || info.Mode() != fs.ModeDir|0o700 {
		return "", fmt.Errorf("%s: not a directory of this user alone", root)
	}
	return filepath.Join(root, "cluster", key), nil
}

var errLocked = errors.New("in use by another process")

// tryLock takes the advisory lock of a file, which ends with unlock or with the process, or returns errLocked.
func tryLock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// waitLock waits for the lock until ctx ends; waiting is called once, when there is something to wait for.
func waitLock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	for first := true; ; first = false {
		unlock, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
