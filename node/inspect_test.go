package node

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/pillion-dev/pillion/node/view"
)

// TestInspectSaysWhatProcSays compares with the links below /proc, read another way.
func TestInspectSaysWhatProcSays(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s := b.sandbox("web", statusOf(meshOne, `joiner.one "join":"app"`))
	if err := b.run(s); err != nil {
		t.Fatal(err)
	}
	programs := map[string]*program{}
	for _, name := range []string{"mesh", "app"} {
		c, _, err := b.create(s, name)
		if err != nil {
			t.Fatal(err)
		}
		if programs[name], err = b.start(s, c, syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS}); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.agent.Answer(ctx, dir) }()
	var got *view.Pod
	b.await("the helper answers", func() (err error) { got, err = Ask(t.Context(), dir, "shop", "web"); return err })
	for name, p := range programs {
		i := -1
		for j := range got.Containers {
			if got.Containers[j].Name == name {
				i = j
			}
		}
		if i < 0 {
			t.Fatalf("no container %s in %+v", name, got)
		}
		for kind, inode := range got.Containers[i].Namespaces {
			link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", p.cmd.Process.Pid, kind))
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%s:[%d]", kind, inode); link != want {
				t.Errorf("%s: %s is %s, want %s", name, kind, link, want)
			}
		}
		if at := got.Containers[i].Cgroups[""]; !strings.HasSuffix(p.cgroup, at) || at == "" {
			t.Errorf("%s: cgroup %q, want %s", name, at, p.cgroup)
		}
	}
	if got.Network != s.net.Inode || got.Redirect == nil || got.Redirect.Hash != got.Wanted || got.Wanted == "" {
		t.Errorf("%+v", got)
	}
	// The processes were made in the node's network namespace, and nothing has joined.
	want := []string{"container app is in another network namespace than its Pod", "container mesh is in another network namespace than its Pod"}
	if strings.Join(got.Findings, ";") != strings.Join(want, ";") {
		t.Errorf("%q", got.Findings)
	}
	if info, err := os.Stat(dir + "/" + SocketName); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if _, err := Ask(t.Context(), dir, "shop", "other"); err == nil || !strings.Contains(err.Error(), "the node has no such Pod: shop/other") {
		t.Errorf("%v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
