package cgroup

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPathsAreTheNodesFromWithinANamespace reads the cgroup of a process as one in a cgroup namespace of its own does.
func TestPathsAreTheNodesFromWithinANamespace(t *testing.T) {
	f := newFamily(t)
	mine, other := f.name+"/mine", f.name+"/other"
	f.mkdir(mine)
	f.mkdir(other)
	file := filepath.Join(t.TempDir(), "texts")
	f.burn(other, `{ sleep 60 & } ; pid=$!; cat /proc/$pid/cgroup > `+file+`.node; for h in `+strings.Join(slices.Collect(maps.Values(f.mounts())), " ")+`; do echo $$ > $h`+mine+`/cgroup.procs; done
		cat /proc/self/cgroup > `+file+`.self; unshare -C sh -c "cat /proc/self/cgroup > `+file+`.here; cat /proc/$pid/cgroup > `+file+`.seen"; kill $pid`)
	text := func(of string) string {
		b, err := os.ReadFile(file + of)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	root, err := NewRoot(ParsePaths(text(".self")), ParsePaths(text(".here")))
	if err != nil {
		t.Fatal(err)
	}
	want, seen := ParsePaths(text(".node")), text(".seen")
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
