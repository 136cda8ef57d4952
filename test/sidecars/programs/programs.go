// Package programs builds the sidecars' programs as the Dockerfile does, for tests that run them as processes.
package programs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// sources are where each program is built, below the repository, and which package there it is.
var sources = map[string]struct{ dir, pkg string }{
	"log-shipper": {"collector/distribution", "."},
	"adapter":     {".", "./cmd/adapter"},
	"confd":       {".", "./cmd/confd"},
	"runner":      {".", "./cmd/runner"},
}

// Main builds the named programs into a folder, which it puts into dir, runs the tests of a package of this module, and gives
// their exit code: 1 where a program cannot be built.
func Main(m *testing.M, dir *string, names ...string) int {
	var err error
	if *dir, err = os.MkdirTemp("", "pillion-sidecars-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(*dir)
	for _, name := range names {
		from := sources[name]
		build := exec.Command("go", "build", "-tags", "grpcnotrace", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(*dir, name), from.pkg)
		build.Dir, build.Env = filepath.Join("../../..", from.dir), append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", name, err, out)
			return 1
		}
	}
	return m.Run()
}
