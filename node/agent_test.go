package node

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/nri/pkg/adaptation"
	"github.com/containerd/nri/pkg/api"

	"github.com/pillion-dev/pillion/node/namespace"
	"github.com/pillion-dev/pillion/node/redirect"
)

// TestAPodIsRedirectedFromItsSandboxOn follows a Pod from its sandbox to its end.
func TestAPodIsRedirectedFromItsSandboxOn(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s := b.sandbox("web", statusOf(meshOne))
	if err := b.run(s); err != nil {
		t.Fatal(err)
	}
	if got, want := b.table(s).Hash, b.wants("mesh.one", redirect.Proxy{}, redirect.Active); got != want {
		t.Errorf("after the sandbox: %q, want %q", got, want)
	}
	c, _, err := b.create(s, "mesh")
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := b.start(s, c, syscall.SysProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := b.table(s).Hash, b.wants("mesh.one", proxy.proxy(t), redirect.Active); got != want {
		t.Errorf("before the proxy's first packet: %q, want %q", got, want)
	}
	// The proxy is killed, and started again in another cgroup.
	proxy.kill(t)
	if _, err := b.runtime.StopContainer(t.Context(), &adaptation.StopContainerRequest{Pod: s.PodSandbox, Container: c}); err != nil {
		t.Fatal(err)
	}
	if c, _, err = b.create(s, "mesh"); err != nil {
		t.Fatal(err)
	}
	again, err := b.start(s, c, syscall.SysProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := b.table(s).Hash, b.wants("mesh.one", again.proxy(t), redirect.Active); got != want {
		t.Errorf("after its restart: %q, want %q", got, want)
	}
	if err := b.runtime.RemovePodSandbox(t.Context(), &adaptation.RemovePodSandboxRequest{Pod: s.PodSandbox}); err != nil {
		t.Fatal(err)
	}
	if left := b.agent.index.all(); len(left) > 0 {
		t.Errorf("known after its end: %v", left)
	}
}

// TestWhatIsNotRedirected makes Pods that are none of the helper's business, and Pods that cannot have what they ask.
func TestWhatIsNotRedirected(t *testing.T) {
	b := newBed(t, "v2.4.2")
	for _, c := range []struct {
		name   string
		change func(s *sandbox)
		want   string // of the error; empty: let through
	}{
		{"asks nothing", func(s *sandbox) { delete(s.Annotations, "pillion.dev/status") }, ""},
		{"asks for its cgroups alone", func(s *sandbox) { s.Annotations["pillion.dev/status"] = statusOf(`plain.one "cgroup":true`) }, ""},
		{"not from the API server", func(s *sandbox) { s.Annotations["kubernetes.io/config.source"] = "file" }, ""},
		{"in kube-system", func(s *sandbox) { s.Namespace = "kube-system" }, ""},
		{"in Pillion's own Namespace", func(s *sandbox) { s.Namespace = "pillion-system" }, ""},
		{"on the host network", func(s *sandbox) { s.Linux.Namespaces = nil }, "the network namespace is the node's own"},
		{"said to be in the node's network namespace", func(s *sandbox) { s.Linux.Namespaces[0].Path = "/proc/self/ns/net" }, "the network namespace is the node's own"},
		{"in a virtual machine", func(s *sandbox) { s.RuntimeHandler = "kata" }, `runtime handler "kata": only the Pods of`},
		{"with a path to another namespace", func(s *sandbox) { s.Linux.Namespaces[0].Path = "/proc/self/ns/pid" }, "is no network namespace"},
		{"with another's network namespace", func(s *sandbox) { s.Ips = []string{"10.99.0.2"} }, "none of the Pod's addresses"},
		{"with an unknown revision", func(s *sandbox) { s.Annotations["pillion.dev/status"] = statusOf(`mesh.zero "redirect":true`) }, "profile mesh.zero: the node does not know the profile yet"},
		{"with a path for a revision", func(s *sandbox) {
			s.Annotations["pillion.dev/status"] = statusOf(`mesh./../../etc/passwd "redirect":true`)
		}, `revision "/../../etc/passwd": a lowercase RFC 1123`},
		{"with a bad profile", func(s *sandbox) { s.Annotations["pillion.dev/status"] = statusOf(`bad.one "redirect":true`) }, "redirect.inbound: Invalid value: 70000"},
		{"with a profile of another kind", func(s *sandbox) { s.Annotations["pillion.dev/status"] = statusOf(`joiner.one "redirect":true`) }, "profile joiner.one redirects nothing"},
		{"with two proxies", func(s *sandbox) { s.Annotations["pillion.dev/status"] = statusOf(meshOne, `other.one "redirect":true`) }, "mesh and other are both the Pod's proxy"},
		{"with a status that is no JSON", func(s *sandbox) { s.Annotations["pillion.dev/status"] = "{" }, "unexpected end of JSON input"},
		{"with a status that is too long", func(s *sandbox) { s.Annotations["pillion.dev/status"] = strings.Repeat(" ", 65<<10) }, "the most is 65536"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := b.sandbox("web", statusOf(meshOne))
			c.change(s)
			err := b.run(s)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if got := b.table(s); got.Hash != "" {
				t.Errorf("the Pod has a table: %+v", got)
			}
		})
	}
	if hash, err := hostTable(); err != nil || hash {
		t.Errorf("the node has a table: %v, %v", hash, err)
	}
}

// hostTable reports whether the node's own network namespace has a table of ours.
func hostTable() (bool, error) {
	n, err := namespace.OpenNet("/proc/self/ns/net", 0)
	if err != nil {
		return false, err
	}
	defer n.Close()
	found, err := redirect.Read(n)
	return found != nil, err
}

// TestTheHelperIsAway makes sandboxes and containers while there is no plugin. Whatever comes next heals it: the next event,
// or the plugin's return.
func TestTheHelperIsAway(t *testing.T) {
	b := newBed(t, "v2.4.2")
	b.stop()
	first, second := b.sandbox("first", statusOf(meshOne)), b.sandbox("second", statusOf(meshOne))
	for _, s := range []*sandbox{first, second} {
		if err := b.run(s); err != nil {
			t.Fatal(err)
		}
		if got := b.table(s); got.Hash != "" {
			t.Fatalf("there is a table with no plugin: %+v", got)
		}
	}
	c, _, err := b.create(second, "mesh")
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := b.start(second, c, syscall.SysProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.pods, b.ctrs = []*api.PodSandbox{second.PodSandbox}, []*api.Container{c}
	b.mu.Unlock()
	b.serve()
	b.await("the Pod that there was is redirected", func() error {
		if got, want := b.table(second).Hash, b.wants("mesh.one", proxy.proxy(t), redirect.Active); got != want {
			return fmt.Errorf("%q, want %q", got, want)
		}
		return nil
	})
	// The other sandbox was made in the gap, so nothing told of it; its first container does.
	if _, _, err := b.create(first, "mesh-gate"); err != nil {
		t.Fatal(err)
	}
	if got, want := b.table(first).Hash, b.wants("mesh.one", redirect.Proxy{}, redirect.Active); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestRulesThatSomebodyChangedComeBack deletes them behind the helper's back.
func TestRulesThatSomebodyChangedComeBack(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s := b.sandbox("web", statusOf(meshOne))
	if err := b.run(s); err != nil {
		t.Fatal(err)
	}
	if err := (&redirect.Loader{}).Remove(s.net); err != nil {
		t.Fatal(err)
	}
	b.agent.look()
	b.await("they come back", func() error {
		if b.table(s).Hash == "" {
			return fmt.Errorf("no table")
		}
		return nil
	})
}

// TestRulesAreLookedAtWhereSomethingIsNew deletes them too: what a container brings that the rules do not follow from has nobody
// look, the proxy's process does.
func TestRulesAreLookedAtWhereSomethingIsNew(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s := b.sandbox("web", statusOf(meshOne))
	if err := b.run(s); err != nil {
		t.Fatal(err)
	}
	if err := (&redirect.Loader{}).Remove(s.net); err != nil {
		t.Fatal(err)
	}
	app, _, err := b.create(s, "app")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.start(s, app, syscall.SysProcAttr{}); err != nil {
		t.Fatal(err)
	}
	if got := b.table(s); got.Hash != "" {
		t.Errorf("the rules were loaded for a container that they do not follow from: %+v", got)
	}
	mesh, _, err := b.create(s, "mesh")
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := b.start(s, mesh, syscall.SysProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := b.table(s).Hash, b.wants("mesh.one", proxy.proxy(t), redirect.Active); got != want {
		t.Errorf("after the proxy's start: %q, want %q", got, want)
	}
}

// TestAProxyIsToldByItsGroup has no cgroups of version 2: the rules are the same for whatever process the proxy is, and are written
// once.
func TestAProxyIsToldByItsGroup(t *testing.T) {
	b := newBed(t, "v2.4.2")
	b.agent.Cgroup2 = ""
	s := b.sandbox("web", statusOf(meshOne))
	if err := b.run(s); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, _, err := b.create(s, "mesh")
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := b.start(s, c, syscall.SysProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := b.table(s).Hash, b.wants("mesh.one", redirect.Proxy{GID: 1337}, redirect.Active); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		proxy.kill(t)
		if _, err := b.runtime.StopContainer(t.Context(), &adaptation.StopContainerRequest{Pod: s.PodSandbox, Container: c}); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := b.metric("pillion_node_redirects_total", "", ""); n != 1 {
		t.Errorf("the rules were written %v times", n)
	}
}

// TestASlowPodIsRefusedInTime holds a Pod up: it is refused before the runtime would give the plugin up and go on without it,
// and other Pods are answered.
func TestASlowPodIsRefusedInTime(t *testing.T) {
	b := newBed(t, "v2.4.2")
	slow, other := b.sandbox("slow", statusOf(meshOne)), b.sandbox("other", statusOf(meshOne))
	p := b.agent.index.get(slow.PodSandbox)
	p.Lock()
	err := b.run(slow)
	if err == nil || !strings.Contains(err.Error(), errLate.Error()) {
		t.Errorf("got %v", err)
	}
	if err := b.run(other); err != nil {
		t.Error(err)
	}
	p.Unlock()
	b.await("the slow Pod is done in the end", func() error { return b.run(slow) })
}

// TestASlowAnswerHoldsUpOnlyWhoNeedsIt holds Pods up as well: one that only has sidecars to be counted goes on, and so does the
// app of one with a proxy, which there is nothing to do for at its start; the proxy does not.
func TestASlowAnswerHoldsUpOnlyWhoNeedsIt(t *testing.T) {
	b := newBed(t, "v2.4.2")
	counted := b.sandbox("counted", statusOf("logs.one "))
	held := b.agent.index.get(counted.PodSandbox)
	held.Lock()
	if err := b.run(counted); err != nil {
		t.Errorf("a Pod that asks nothing: %v", err)
	}
	if _, _, err := b.create(counted, "app"); err != nil {
		t.Errorf("its container: %v", err)
	}
	held.Unlock()

	web := b.sandbox("web", statusOf(meshOne))
	if err := b.run(web); err != nil {
		t.Fatal(err)
	}
	for name, refused := range map[string]bool{"app": false, "mesh": true} {
		c, _, err := b.create(web, name)
		if err != nil {
			t.Fatal(err)
		}
		p := b.agent.index.get(web.PodSandbox)
		p.Lock()
		_, err = b.start(web, c, syscall.SysProcAttr{})
		p.Unlock()
		b.await("what is late is done", func() error {
			if n := p.late.Load(); n > 0 {
				return fmt.Errorf("%d are not", n)
			}
			return nil
		})
		if (err != nil) != refused {
			t.Errorf("container %s: %v", name, err)
		}
	}
}

// TestDirectAfterProxy ends the proxy for good while another container works.
func TestDirectAfterProxy(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s := b.sandbox("web", statusOf(`mesh.two "redirect":true`))
	if err := b.run(s); err != nil {
		t.Fatal(err)
	}
	var last *api.Container
	for _, name := range []string{"app", "mesh"} {
		c, _, err := b.create(s, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.start(s, c, syscall.SysProcAttr{}); err != nil {
			t.Fatal(err)
		}
		last = c
	}
	if _, err := b.runtime.StopContainer(t.Context(), &adaptation.StopContainerRequest{Pod: s.PodSandbox, Container: last}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.table(s).Hash, b.wants("mesh.two", redirect.Proxy{}, redirect.Drain); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOneHelperANode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		again, err := Lock(t.Context(), path)
		if err == nil {
			again()
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("a second one has the lock: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	unlock()
	if err := <-second; err != nil {
		t.Fatal(err)
	}
}
