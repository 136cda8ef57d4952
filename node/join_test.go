package node

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/nri/pkg/adaptation"

	"github.com/pillion-dev/pillion/node/namespace"
)

// TestAJoinerIsInItsTargetsNamespace has a container created there, and looks whether it is.
func TestAJoinerIsInItsTargetsNamespace(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s := b.sandbox("web", statusOf(`joiner.one "join":"app"`))
	if err := b.run(s); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.create(s, "joiner"); err == nil || !strings.Contains(err.Error(), "container joiner waits for app") {
		t.Errorf("with no target: %v", err)
	}
	c, _, err := b.create(s, "app")
	if err != nil {
		t.Fatal(err)
	}
	target, err := b.start(s, c, syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID})
	if err != nil {
		t.Fatal(err)
	}
	joiner, res, err := b.create(s, "joiner")
	if err != nil {
		t.Fatal(err)
	}
	got := res.GetAdjust().GetLinux().GetNamespaces()
	if len(got) != 1 || got[0].GetType() != "pid" {
		t.Fatalf("adjusted: %v", res)
	}
	want, err := namespace.InodeOf(fmt.Sprintf("/proc/%d/ns/pid", target.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if at, err := namespace.InodeOf(got[0].GetPath()); err != nil || at != want {
		t.Errorf("the path leads to %d, %v, want %d", at, err, want)
	}
	// A process that is somewhere else, as where a runtime ignores the adjustment, is not let run.
	if _, err := b.start(s, joiner, syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}); err == nil || !strings.Contains(err.Error(), "and not in that of app") {
		t.Errorf("elsewhere: %v", err)
	}
	if _, err := os.Stat(got[0].GetPath()); err == nil {
		t.Error("the namespace is held open after the start")
	}
	target.kill(t)
	if _, _, err := b.create(s, "joiner"); err == nil || !strings.Contains(err.Error(), "it has ended") {
		t.Errorf("with a dead target: %v", err)
	}
}

// TestAForeignProcessIsNotJoined gives the target's number to a process of another container.
func TestAForeignProcessIsNotJoined(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s, other := b.sandbox("web", statusOf(`joiner.one "join":"app"`)), b.sandbox("other", statusOf(meshOne))
	c, _, err := b.create(other, "app")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := b.start(other, c, syscall.SysProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err = b.create(s, "app"); err != nil {
		t.Fatal(err)
	}
	c.Pid = uint32(foreign.cmd.Process.Pid)
	if err := b.runtime.StartContainer(t.Context(), &adaptation.StartContainerRequest{Pod: s.PodSandbox, Container: c}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.create(s, "joiner"); err == nil || !strings.Contains(err.Error(), "is not of container") {
		t.Errorf("got %v", err)
	}
}

func TestOldRuntimesCannotJoin(t *testing.T) {
	b := newBed(t, "v2.1.4")
	s := b.sandbox("web", statusOf(`joiner.one "join":"app"`))
	if _, _, err := b.create(s, "joiner"); err == nil || !strings.Contains(err.Error(), "containerd v2.1.4 cannot do that; it takes containerd 2.2 or CRI-O 1.34") {
		t.Errorf("got %v", err)
	}
	for _, c := range []struct {
		runtime, version string
		want             bool
	}{{"containerd", "v2.2.0", true}, {"containerd", "2.4.2~ds1", true}, {"containerd", "v3.0.0-rc.1", true}, {"containerd", "1.7.35", false}, {"cri-o", "1.34.0", true},
		{"cri-o", "1.33.9", false}, {"CRI-O", "2.0", true}, {"other", "9.9", false}, {"containerd", "", false}} {
		if got := featuresOf(c.runtime, c.version).Joins; got != c.want {
			t.Errorf("%s %s: %v", c.runtime, c.version, got)
		}
	}
}
