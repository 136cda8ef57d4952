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
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

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

// cacheDir returns the directory of the programs that some modules of source and this Go version make. It is named after
// the files that decide on them: the pins and the few lines of Go of each module.
func cacheDir(source string, log io.Writer, modules ...string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, buildArgs(""))
	for _, module := range modules {
		files := []string{module + "/go.mod", module + "/go.sum"}
		err := fs.WalkDir(os.DirFS(source), module, func(path string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".go") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return "", err
		}
		for _, file := range files {
			b, err := os.ReadFile(filepath.Join(source, file))
			if err != nil {
				return "", err
			}
			fmt.Fprintln(sum, file, len(b))
			sum.Write(b)
		}
	}
	root, err := CacheRoot(log)
	return filepath.Join(root, "cluster", hex.EncodeToString(sum.Sum(nil))[:12]), err
}

// modules lists the folders of the nested modules.
func modules() []string {
	var out []string
	for _, p := range programs() {
		if !slices.Contains(out, p.module) {
			out = append(out, p.module)
		}
	}
	return out
}

// CacheRoot is the directory that everything kept between runs is below: the user's cache or, where there is none, one
// that is of this user alone, which log is told.
func CacheRoot(log io.Writer) (string, error) {
	root, err := os.UserCacheDir()
	if err == nil {
		return filepath.Join(root, "pillion"), nil
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
	return root, nil
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
