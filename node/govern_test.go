package node

import (
	"context"
	"maps"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/nri/pkg/adaptation"
	"github.com/containerd/nri/pkg/api"
	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"github.com/pillion-dev/pillion/node/cgroup"
)

// metric gives the value of a metric for a sidecar; false where there is none.
func (b *bed) metric(name, sidecar string) (float64, bool) {
	b.t.Helper()
	families, err := b.agent.Metrics.registry.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == name && labels["sidecar"] == sidecar {
				return valueOf(m), true
			}
		}
	}
	return 0, false
}

func valueOf(m *dto.Metric) float64 {
	if m.GetCounter() != nil {
		return m.GetCounter().GetValue()
	}
	return m.GetGauge().GetValue()
}

// TestTheLedgerKeepsWhatEndedContainersUsed counts a sidecar that is known, the app, and a sidecar that no profile names.
func TestTheLedgerKeepsWhatEndedContainersUsed(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s := b.sandbox("web", statusOf(meshOne, `tenants.one "cgroup":false`))
	if err := b.run(s); err != nil {
		t.Fatal(err)
	}
	programs := map[string]*program{}
	for _, name := range []string{"mesh", "app", "tenants"} {
		c, _, err := b.create(s, name)
		if err != nil {
			t.Fatal(err)
		}
		if programs[name], err = b.start(s, c, syscall.SysProcAttr{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, sidecar := range []string{"mesh", "", "other"} {
		if n, ok := b.metric("pillion_sidecar_containers", sidecar); !ok || n != 1 {
			t.Errorf("%q has %v containers", sidecar, n)
		}
		if n, ok := b.metric("pillion_sidecar_cpu_seconds_total", sidecar); !ok || n <= 0 {
			t.Errorf("%q used %v", sidecar, n)
		}
	}
	before, _ := b.metric("pillion_sidecar_cpu_seconds_total", "mesh")
	p := programs["mesh"]
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	if _, err := b.runtime.StopContainer(t.Context(), &adaptation.StopContainerRequest{Pod: s.PodSandbox, Container: p.ctr}); err != nil {
		t.Fatal(err)
	}
	if after, ok := b.metric("pillion_sidecar_cpu_seconds_total", "mesh"); !ok || after < before {
		t.Errorf("used %v, and %v after its end", before, after)
	}
	if n, _ := b.metric("pillion_sidecar_containers", "mesh"); n != 0 {
		t.Errorf("%v run", n)
	}
	// The app is gone with its Pod, and nothing told of its end.
	before, _ = b.metric("pillion_sidecar_cpu_seconds_total", "")
	if err := b.runtime.RemovePodSandbox(t.Context(), &adaptation.RemovePodSandboxRequest{Pod: s.PodSandbox}); err != nil {
		t.Fatal(err)
	}
	if after, ok := b.metric("pillion_sidecar_cpu_seconds_total", ""); !ok || after < before {
		t.Errorf("the app used %v, and %v after its end", before, after)
	}
	if left := len(b.agent.ledger.accounts) + len(b.agent.ledger.pods); left > 0 {
		t.Errorf("%d accounts are left", left)
	}
}

// governed is a container with limits, and the kubelet's score.
func governed() *api.Container {
	return &api.Container{Id: "governed", Name: "plain", Linux: &api.LinuxContainer{OomScoreAdj: api.Int(900), Resources: &api.LinuxResources{
		Cpu:    &api.LinuxCPU{Shares: api.UInt64(uint64(512)), Quota: api.Int64(int64(50000)), Period: api.UInt64(uint64(100000))},
		Memory: &api.LinuxMemory{Limit: api.Int64(int64(64 << 20))}}}}
}

func TestContainersAreCreatedWithTheirProfiles(t *testing.T) {
	b := newBed(t, "v2.4.2")
	b.profile("plain.two", `{"cgroup":{"cpuWeight":10,"memoryHighPercent":90,"cpuBurstPercent":50,"ioWeight":20,"oomScoreAdjust":950}}`)
	b.await("the profile is known", func() error { _, err := b.agent.Profiles.Get("plain", "two"); return err })
	s := b.sandbox("web", statusOf(`plain.two "cgroup":true`))
	ask := func(has cgroup.Supported) *api.LinuxContainerAdjustment {
		b.agent.Supported = has
		res, err := b.runtime.CreateContainer(t.Context(), &adaptation.CreateContainerRequest{Pod: s.PodSandbox, Container: governed()})
		if err != nil {
			t.Fatal(err)
		}
		return res.GetAdjust().GetLinux()
	}
	all := cgroup.Supported{Weight: true, High: true, Burst: true, IOWeight: true}
	got := ask(all)
	want := map[string]string{"cpu.weight": "10", "memory.high": "60395520", "cpu.max.burst": "25000", "io.weight": "20"}
	if diff := cmp.Diff(want, got.GetResources().GetUnified()); diff != "" || got.GetOomScoreAdj().GetValue() != 950 {
		t.Errorf("version 2 (-want +got):\n%s%v", diff, got)
	}
	// A single key of version 2 keeps a container of version 1 from starting.
	got = ask(cgroup.Supported{Version1: true})
	if len(got.GetResources().GetUnified()) > 0 || got.GetResources().GetCpu().GetShares().GetValue() != 237 {
		t.Errorf("version 1: %v", got)
	}

	b.agent.Supported = all
	updates, err := b.agent.UpdateContainer(context.Background(), s.PodSandbox, governed(), &api.LinuxResources{Cpu: &api.LinuxCPU{Quota: api.Int64(int64(10000))}})
	if err != nil || len(updates) != 1 {
		t.Fatalf("%v %v", updates, err)
	}
	want["cpu.max.burst"] = "5000"
	if diff := cmp.Diff(want, maps.Collect(maps.All(updates[0].GetLinux().GetResources().GetUnified()))); diff != "" {
		t.Errorf("resized (-want +got):\n%s", diff)
	}
	if q := updates[0].GetLinux().GetResources().GetCpu().GetQuota().GetValue(); q != 10000 {
		t.Errorf("what the kubelet asked for is %d", q)
	}
}

// TestAResizeLeavesNothingOfALargerSize gives a container less than its profile has: the runtime would write the profile's again.
func TestAResizeLeavesNothingOfALargerSize(t *testing.T) {
	b := newBed(t, "v2.4.2")
	b.profile("plain.two", `{"cgroup":{"cpuWeight":10,"memoryHighPercent":90,"cpuBurstPercent":50}}`)
	b.await("the profile is known", func() error { _, err := b.agent.Profiles.Get("plain", "two"); return err })
	b.agent.Supported = cgroup.Supported{Weight: true, High: true, Burst: true, IOWeight: true}
	s := b.sandbox("web", statusOf(`plain.two "cgroup":true`))
	now := governed()
	for _, c := range []struct {
		shares uint64
		want   string
	}{{100, "4"}, {50, "2"}} {
		asked := &api.LinuxCPU{Shares: api.UInt64(c.shares), Quota: api.Int64(int64(-1))}
		updates, err := b.agent.UpdateContainer(t.Context(), s.PodSandbox, now, &api.LinuxResources{Cpu: asked})
		if err != nil || len(updates) != 1 {
			t.Fatalf("%v %v", updates, err)
		}
		got := updates[0].GetLinux().GetResources()
		want := map[string]string{"cpu.weight": c.want, "memory.high": "60395520", "cpu.max.burst": "0"}
		if diff := cmp.Diff(want, got.GetUnified()); diff != "" {
			t.Errorf("%d shares (-want +got):\n%s", c.shares, diff)
		}
		now.Linux.Resources.Cpu, now.Linux.Resources.Unified = asked, got.GetUnified()
	}
}

func TestCapabilitiesSayWhatIsMissing(t *testing.T) {
	text := Probe(t.Context(), "/nowhere/nri.sock", "/proc/self").Text()
	for _, want := range []string{"no   nri", "is NRI on?", "yes  namespaces", "yes  redirect"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}
