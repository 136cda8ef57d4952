package node

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/nri/pkg/adaptation"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/node/namespace"
	"github.com/pillion-dev/pillion/node/redirect"
)

// TestForgedAnnotations reads what whoever may create Pods can write. Each is refused in one short line.
func TestForgedAnnotations(t *testing.T) {
	many := make([]string, maxSidecars+1)
	for i := range many {
		many[i] = fmt.Sprintf("s%d.one ", i)
	}
	long := strings.Repeat("a", 10_000)
	with := func(change func(s *v1alpha1.InjectedSidecar)) string {
		s := v1alpha1.InjectedSidecar{Name: "mesh", Revision: "one", Containers: []string{"mesh"}, Node: &v1alpha1.InjectedNode{Redirect: true}}
		change(&s)
		text, err := json.Marshal(v1alpha1.Status{Version: v1alpha1.StatusVersion, Sidecars: []v1alpha1.InjectedSidecar{s}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, c := range []struct{ name, status, want string }{
		{"too long", strings.Repeat(" ", maxStatus) + "{}", "has 65538 bytes, the most is 65536"},
		{"too many sidecars", statusOf(many...), "lists 65 sidecars, the most is 64"},
		{"too deep", strings.Repeat("[", 20_000), "exceeded max depth"},
		{"a list", "[]", "cannot unmarshal array"},
		{"a number for a name", `{"v":1,"sidecars":[{"name":7}]}`, "cannot unmarshal number"},
		{"a path for a name", with(func(s *v1alpha1.InjectedSidecar) { s.Name = "../etc" }), `sidecar "../etc": `},
		{"a line for a name", with(func(s *v1alpha1.InjectedSidecar) { s.Name = "mesh\nlevel=INFO" }), `sidecar "mesh\nlevel=INFO": `},
		{"a long name", with(func(s *v1alpha1.InjectedSidecar) { s.Name = long }), "must be no more than 253"},
		{"no name", with(func(s *v1alpha1.InjectedSidecar) { s.Name = "" }), `sidecar "": `},
		{"a path for a revision", with(func(s *v1alpha1.InjectedSidecar) { s.Revision = "../../etc/passwd" }), `revision "../../etc/passwd": `},
		{"no revision", with(func(s *v1alpha1.InjectedSidecar) { s.Revision = "" }), `revision "": `},
		{"a path for a container", with(func(s *v1alpha1.InjectedSidecar) { s.Containers = []string{"mesh", "/proc/1"} }), `container "/proc/1": `},
		{"a path for a target", with(func(s *v1alpha1.InjectedSidecar) { s.Node.Join = "../other/app" }), `container "../other/app": `},
		{"a number for a target", with(func(s *v1alpha1.InjectedSidecar) { s.Node.Join = "Host" }), `container "Host": `},
		{"itself for a target", with(func(s *v1alpha1.InjectedSidecar) { s.Node.Join = "mesh" }), "sidecar mesh is to join itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			asks, err := ReadAsks(map[string]string{v1alpha1.AnnotationStatus: c.status})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %+v, %v, want %q", asks, err, c.want)
			}
			if text := err.Error(); len(text) > 400 || strings.ContainsAny(text, "\n\r") {
				t.Errorf("%d bytes: %q", len(text), text)
			}
		})
	}
	asks, err := ReadAsks(map[string]string{v1alpha1.AnnotationStatus: with(func(*v1alpha1.InjectedSidecar) {})})
	if err != nil || asks.Proxy == nil {
		t.Errorf("one that is not forged: %+v, %v", asks, err)
	}
}

// TestAForeignTargetIsNotJoined has a container by the name of the target in every other Pod, in one of the same name among them.
func TestAForeignTargetIsNotJoined(t *testing.T) {
	b := newBed(t, "v2.4.2")
	for _, space := range []string{"shop", "bank"} {
		other := b.sandbox("web", statusOf(meshOne))
		other.Namespace = space
		c, _, err := b.create(other, "app")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.start(other, c, syscall.SysProcAttr{}); err != nil {
			t.Fatal(err)
		}
	}
	s := b.sandbox("web", statusOf(`joiner.one "join":"app"`))
	if _, res, err := b.create(s, "joiner"); err == nil || !strings.Contains(err.Error(), "container joiner waits for app") || res != nil {
		t.Errorf("got %v, %v", res, err)
	}
}

// TestANumberThatIsAnothersByNow gives the proxy's process number to a process of another container, at the proxy's start and
// later. That container's traffic would be the proxy's, and its usage the proxy's account.
func TestANumberThatIsAnothersByNow(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s, other := b.sandbox("web", statusOf(meshOne)), b.sandbox("other", statusOf(meshOne))
	c, _, err := b.create(other, "app")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := b.start(other, c, syscall.SysProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	mesh, _, err := b.create(s, "mesh")
	if err != nil {
		t.Fatal(err)
	}
	unknown := b.wants("mesh.one", redirect.Proxy{}, redirect.Active)
	mesh.Pid = uint32(foreign.cmd.Process.Pid)
	err = b.runtime.StartContainer(t.Context(), &adaptation.StartContainerRequest{Pod: s.PodSandbox, Container: mesh})
	if err == nil || !strings.Contains(err.Error(), "is not that of container "+mesh.Id) {
		t.Errorf("at its start: %v", err)
	}
	if got := b.table(s).Hash; got != unknown {
		t.Errorf("a foreign container is the proxy: %q, want %q", got, unknown)
	}
	if n, _ := b.sidecarMetric("pillion_sidecar_containers", "mesh"); n != 0 {
		t.Errorf("a foreign container is in %v of the proxy's accounts", n)
	}

	mesh, _, err = b.create(s, "mesh")
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := b.start(s, mesh, syscall.SysProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	known := b.wants("mesh.one", proxy.proxy(t), redirect.Active)
	p := b.agent.index.get(s.PodSandbox)
	err = p.doing(func() error {
		p.containers["mesh"].pid = foreign.cmd.Process.Pid // as if the proxy had ended, and nobody told
		p.ruled = ruled{}                                  // as the reconciler looks
		return b.agent.redirect(p)
	})
	if err == nil || !strings.Contains(err.Error(), "is not that of container "+mesh.Id) {
		t.Errorf("later: %v", err)
	}
	if got := b.table(s).Hash; got != known {
		t.Errorf("later a foreign container is the proxy: %q, want %q", got, known)
	}
}

// TestASwappedNetworkIsNotTouched has the path of a Pod's network namespace lead somewhere else once the Pod is there.
func TestASwappedNetworkIsNotTouched(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s, victim := b.sandbox("web", statusOf(meshOne)), b.sandbox("victim", statusOf("logs.one "))
	address(t, s, "10.99.0.2")
	address(t, victim, "10.99.0.3")
	dir := t.TempDir()
	link := filepath.Join(dir, "netns")
	lead := func(to string) {
		t.Helper()
		if err := os.Symlink(to, link+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Fatal(err)
		}
	}
	own, foreign := s.Linux.Namespaces[0].Path, victim.Linux.Namespaces[0].Path
	lead(own)
	sleep := exec.Command("/bin/sleep", "60")
	sleep.Dir = dir
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sleep.Process.Kill(); _ = sleep.Wait() })
	for _, path := range []string{link, fmt.Sprintf("/proc/%d/cwd/netns", sleep.Process.Pid)} {
		s.Linux.Namespaces[0].Path = path
		lead(own)
		if err := b.run(s); err != nil {
			t.Fatal(err)
		}
		before := b.table(s)
		for to, want := range map[string]string{foreign: "none of the Pod's addresses", "/proc/self/ns/net": namespace.ErrHost.Error(),
			"/proc/self/ns/mnt": "is no network namespace", "/etc/hostname": "is no namespace", dir: "is no namespace"} {
			lead(to)
			if _, _, err := b.create(s, "app"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s to %s: %v, want %q", path, to, err, want)
			}
		}
		if found := b.table(victim); found.Hash != "" {
			t.Errorf("another Pod has rules: %+v", found)
		}
		if after := b.table(s); after.Hash != before.Hash {
			t.Errorf("its own rules are %q, they were %q", after.Hash, before.Hash)
		}
	}
}

// address gives a Pod's network namespace an address, which the runtime tells of.
func address(t *testing.T, s *sandbox, ip string) {
	t.Helper()
	s.Ips = []string{ip}
	err := s.net.Within(func() error {
		out, err := exec.Command("ip", "addr", "add", ip+"/32", "dev", "lo").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
