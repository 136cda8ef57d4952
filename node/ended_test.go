package node

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/containerd/nri/pkg/adaptation"
)

// TestNothingIsLeftOfPodsThatEnded has Pods come and go, each with a proxy, an app and a joiner: no file, thread or account is
// left of them.
func TestNothingIsLeftOfPodsThatEnded(t *testing.T) {
	b := newBed(t, "v2.4.2")
	pods := 40
	if os.Getenv("PILLION_PROVE") == "1" {
		pods = 400
	}
	b.comesAndGoes("first") // what is opened once is open now
	files, threads := count(t, "fd"), count(t, "task")
	for i := range pods {
		b.comesAndGoes(fmt.Sprint("web-", i))
	}
	b.await("no file is left", func() error {
		if n := count(t, "fd"); n > files {
			return fmt.Errorf("%d, there were %d", n, files)
		}
		return nil
	})
	if n := count(t, "task"); n > threads+20 {
		t.Errorf("%d threads, there were %d", n, threads)
	}
	if left := len(b.agent.index.all()) + len(b.agent.ledger.accounts) + len(b.agent.ledger.pods); left > 0 {
		t.Errorf("%d Pods or accounts are left", left)
	}
	if cpu, ok := b.sidecarMetric("pillion_sidecar_cpu_seconds_total", "mesh"); !ok || cpu <= 0 {
		t.Errorf("the proxies used %v", cpu)
	}
	t.Logf("after %d Pods: %d files, before %d; %d threads, before %d", pods, count(t, "fd"), files, count(t, "task"), threads)
}

// count counts this process's files or threads.
func count(t *testing.T, what string) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/" + what)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// comesAndGoes takes a Pod from its sandbox to its end, as a runtime tells of it.
func (b *bed) comesAndGoes(name string) {
	b.t.Helper()
	s := b.sandbox(name, statusOf(meshOne, `joiner.one "join":"app"`))
	if err := b.run(s); err != nil {
		b.t.Fatal(err)
	}
	var programs []*program
	for _, name := range []string{"mesh", "app"} {
		c, _, err := b.create(s, name)
		if err != nil {
			b.t.Fatal(err)
		}
		p, err := b.start(s, c, syscall.SysProcAttr{})
		if err != nil {
			b.t.Fatal(err)
		}
		programs = append(programs, p)
	}
	// The joiner is created, and ends before it starts.
	joiner, _, err := b.create(s, "joiner")
	if err == nil {
		err = b.runtime.RemoveContainer(b.t.Context(), &adaptation.RemoveContainerRequest{Pod: s.PodSandbox, Container: joiner})
	}
	for _, p := range programs {
		if err == nil {
			_, err = b.runtime.StopContainer(b.t.Context(), &adaptation.StopContainerRequest{Pod: s.PodSandbox, Container: p.ctr})
		}
		p.kill(b.t)
	}
	if err == nil {
		err = b.runtime.RemovePodSandbox(b.t.Context(), &adaptation.RemovePodSandboxRequest{Pod: s.PodSandbox})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	_ = s.net.Close()
}
