package cgroup

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// insideOf names, in the environment of this program, the process whose cgroup it is to read.
const insideOf = "PILLION_TEST_CGROUP_OF"

// TestMain runs the tests or, for one of them, a process in a cgroup namespace of its own.
func TestMain(m *testing.M) {
	pid := os.Getenv(insideOf)
	if pid == "" {
		os.Exit(m.Run())
	}
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWCGROUP)
	for _, p := range []string{"self", pid} {
		text, readErr := os.ReadFile("/proc/" + p + "/cgroup")
		err = errors.Join(err, readErr)
		fmt.Printf("%s\n", text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestPathsAreTheNodesFromWithinANamespace reads the cgroup of a process as one in a cgroup namespace of its own does.
func TestPathsAreTheNodesFromWithinANamespace(t *testing.T) {
	f := newFamily(t)
	mine, other := f.name+"/mine", f.name+"/other"
	f.mkdir(mine)
	f.mkdir(other)
	file := filepath.Join(t.TempDir(), "texts")
	f.burn(other, `{ sleep 60 & } ; pid=$!; cat /proc/$pid/cgroup > `+file+`.node; for h in `+strings.Join(slices.Collect(maps.Values(f.mounts())), " ")+`; do echo $$ > $h`+mine+`/cgroup.procs; done
		cat /proc/self/cgroup > `+file+`.self; `+insideOf+`=$pid `+os.Args[0]+` > `+file+`.inside; kill $pid`)
	text := func(of string) string {
		b, err := os.ReadFile(file + of)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	here, seen, _ := strings.Cut(text(".inside"), "\n\n")
	root, err := NewRoot(ParsePaths(text(".self")), ParsePaths(here))
	if err != nil {
		t.Fatal(err)
	}
	want := ParsePaths(text(".node"))
	if diff := cmp.Diff(want, root.paths(seen)); diff != "" || !strings.Contains(seen, "/../other") {
		t.Errorf("%s\n%s", diff, seen)
	}
	for name := range f.h {
		if want[name] != other {
			t.Errorf("hierarchy %q: the process is in %s", name, want[name])
		}
	}
	if root, err = NewRoot(Paths{"": "/a/b/c"}, Paths{"": "/c"}); err != nil || root[""] != "/a/b" {
		t.Errorf("a process below the root: %q %v", root[""], err)
	}
	if _, err := NewRoot(Paths{"": "/a/b"}, Paths{"": "/../c"}); err == nil || !strings.Contains(err.Error(), `cgroup "/a/b" of the node is "/../c"`) {
		t.Errorf("a process that was moved out of its root: %v", err)
	}
	self, err := Root{}.PathsOf(os.Getpid())
	if err != nil || len(self) == 0 {
		t.Errorf("%v %v", self, err)
	}
	if _, err := (Root{}).PathsOf(0); err == nil {
		t.Error("there is no process 0")
	}
}
