package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAssetsWithoutAProgramAreRefused(t *testing.T) {
	dir := assets(t, "etcd", "#!/bin/sh\n", "kube-apiserver", "#!/bin/sh\n")
	_, err := Start(t.Context(), Config{})
	wantError(t, err, "KUBEBUILDER_ASSETS="+dir+": no program kube-controller-manager")
	_, err = Build(t.Context(), io.Discard, "kubectl")
	wantError(t, err, "KUBEBUILDER_ASSETS="+dir+": no program kube-controller-manager, kubectl")
}

func TestStartNamesTheProgramThatDoesNotRun(t *testing.T) {
	const waits = "#!/bin/sh\nread forever < /dev/zero\n"
	for _, tc := range []struct{ name, etcd, apiserver, want string }{
		{"etcd is no program", "\x7fELF, cut off", waits, "start etcd: fork/exec DIR/etcd: exec format error"},
		{"etcd ends", "#!/bin/sh\necho disk is full\nexit 3\n", waits, "etcd ended: exit status 3\ndisk is full"},
		{"API server ends", waits, "#!/bin/sh\necho a long story\necho no such flag >&2\nexit 1\n",
			"kube-apiserver ended: exit status 1\na long story\nno such flag"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := assets(t, "etcd", tc.etcd, "kube-apiserver", tc.apiserver, "kube-controller-manager", waits)
			t.Setenv("TMPDIR", t.TempDir())
			_, err := Start(t.Context(), Config{})
			wantError(t, err, strings.ReplaceAll(tc.want, "DIR", dir))
			wantEmpty(t, os.TempDir())
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	const waits = "#!/bin/sh\nread forever < /dev/zero\n"
	assets(t, "etcd", waits, "kube-apiserver", waits, "kube-controller-manager", waits)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start = %v, want %v", err, context.Canceled)
	}
	wantEmpty(t, os.TempDir())
}

func TestBuildKnowsItsPrograms(t *testing.T) {
	_, err := Build(t.Context(), io.Discard, "kubelets")
	const want = `program "kubelets": unknown, can be asked for: node, kube-scheduler, kubelet, kube-proxy, kubectl, `
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error = %v\nwant    %s...", err, want)
	}
}

func TestProgramIsBuiltWholeOrNotAtAll(t *testing.T) {
	source, bin := moduleSource(t), t.TempDir()
	tiny := program{name: "tiny", module: "etcd", pkg: "."}
	var log bytes.Buffer
	write(t, filepath.Join(source, "etcd", "main.go"), "package main\nfunc main() { forgotten() }\n")
	err := buildPrograms(t.Context(), &log, []program{tiny}, source, bin)
	if err == nil || !strings.Contains(err.Error(), "undefined: forgotten") {
		t.Errorf("build = %v, want the compiler's message", err)
	}
	wantEmpty(t, bin)

	write(t, filepath.Join(source, "etcd", "main.go"), "package main\nfunc main() {}\n")
	if err := buildPrograms(t.Context(), &log, []program{tiny}, source, bin); err != nil {
		t.Fatal(err)
	}
	if lacking := missing(bin, []program{tiny}); len(lacking) > 0 {
		t.Errorf("still missing after the build: %v", names(lacking))
	}
	if !strings.Contains(log.String(), "cluster: tiny: built in ") {
		t.Errorf("log = %q, want the end of the build in it", log.String())
	}
}

func TestProgramsOfOneModuleAreBuiltAtOnce(t *testing.T) {
	var seen []string
	for _, batch := range batches(programs()) {
		seen = append(seen, said(batch))
	}
	for _, want := range []string{"etcd", "pause", "archive", "coredns",
		"kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy, kubectl"} {
		if !slices.Contains(seen, want) {
			t.Errorf("batches %q, want one of %s", seen, want)
		}
	}

	source, bin := moduleSource(t), t.TempDir()
	var two []program
	for _, name := range []string{"one", "two"} {
		two = append(two, program{name: name, module: "etcd", pkg: "./" + name})
		if err := os.Mkdir(filepath.Join(source, "etcd", name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(source, "etcd", name, "main.go"), "package main\nfunc main() {}\n")
	}
	if err := buildPrograms(t.Context(), io.Discard, two, source, bin); err != nil {
		t.Fatal(err)
	}
	if lacking := missing(bin, two); len(lacking) > 0 {
		t.Errorf("still missing after the build: %v", names(lacking))
	}
}

func TestCacheKeyFollowsThePins(t *testing.T) {
	source := moduleSource(t)
	cached := func() string {
		dir, err := cacheDir(source, io.Discard, modules()...)
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	before := cached()
	if again := cached(); again != before {
		t.Errorf("same pins: %s and %s", before, again)
	}
	write(t, filepath.Join(source, "k8s", "go.sum"), "another\n")
	after := cached()
	if after == before {
		t.Errorf("other pins have the same directory %s", after)
	}
	write(t, filepath.Join(source, "dns", "main.go"), "package main\n")
	if cached() == after {
		t.Errorf("other lines of Go have the same directory %s", after)
	}
}

func TestCacheWithoutHomeIsPrivate(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("TMPDIR", t.TempDir())
	var log bytes.Buffer
	dir, err := cacheDir(moduleSource(t), &log, modules()...)
	if err != nil {
		t.Fatal(err)
	}
	private := filepath.Dir(filepath.Dir(dir))
	if filepath.Dir(private) != os.TempDir() || !strings.Contains(log.String(), private) {
		t.Errorf("cache is %s and log %q, want a directory in %s and its name in the log", dir, log.String(), os.TempDir())
	}
	if err := os.Chmod(private, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err = cacheDir(moduleSource(t), io.Discard, modules()...)
	wantError(t, err, private+": not a directory of this user alone")
}

func TestLockIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := waitLock(ctx, path, cancel); !errors.Is(err, errLocked) || !errors.Is(err, context.Canceled) {
		t.Errorf("waitLock given up = %v, want %v and %v", err, errLocked, context.Canceled)
	}
	unlock, err = waitLock(t.Context(), path, unlock)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// assets makes KUBEBUILDER_ASSETS a directory with the given programs, as pairs of name and content.
func assets(t *testing.T, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(programs); i += 2 {
		path := filepath.Join(dir, programs[i])
		write(t, path, programs[i+1])
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(assetsVariable, dir)
	return dir
}

// moduleSource makes a directory like test/cluster, with empty nested modules.
func moduleSource(t *testing.T) string {
	t.Helper()
	source := t.TempDir()
	for _, module := range modules() {
		if err := os.Mkdir(filepath.Join(source, module), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(source, module, "go.mod"), "module example.com/"+module+"\n\ngo 1.26.0\n")
		write(t, filepath.Join(source, module, "go.sum"), "")
	}
	write(t, filepath.Join(source, "k8s", "go.mod"), "module example.com/k8s\n\nrequire k8s.io/kubernetes v1.99.0\n")
	return source
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error = %v\nwant    %s", err, want)
	}
}
