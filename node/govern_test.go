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

// sidecarMetric gives the value of a metric for a sidecar; false where there is none.
func (b *bed) sidecarMetric(name, sidecar string) (float64, bool) {
	b.t.Helper()
	return b.metric(name, "sidecar", sidecar)
}

// metric gives the value of a metric with a label's value; false where there is none.
func (b *bed) metric(name, label, value string) (float64, bool) {
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
			if f.GetName() == name && labels[label] == value {
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
		if n, ok := b.sidecarMetric("pillion_sidecar_containers", sidecar); !ok || n != 1 {
			t.Errorf("%q has %v containers", sidecar, n)
		}
		if n, ok := b.sidecarMetric("pillion_sidecar_cpu_seconds_total", sidecar); !ok || n <= 0 {
			t.Errorf("%q used %v", sidecar, n)
		}
	}
	before, _ := b.sidecarMetric("pillion_sidecar_cpu_seconds_total", "mesh")
	p := programs["mesh"]
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	if _, err := b.runtime.StopContainer(t.Context(), &adaptation.StopContainerRequest{Pod: s.PodSandbox, Container: p.ctr}); err != nil {
		t.Fatal(err)
	}
	if after, ok := b.sidecarMetric("pillion_sidecar_cpu_seconds_total", "mesh"); !ok || after < before {
		t.Errorf("used %v, and %v after its end", before, after)
	}
	if n, _ := b.sidecarMetric("pillion_sidecar_containers", "mesh"); n != 0 {
		t.Errorf("%v run", n)
	}
	// The app is gone with its Pod, and nothing told of its end.
	before, _ = b.sidecarMetric("pillion_sidecar_cpu_seconds_total", "")
	if err := b.runtime.RemovePodSandbox(t.Context(), &adaptation.RemovePodSandboxRequest{Pod: s.PodSandbox}); err != nil {
		t.Fatal(err)
	}
	if after, ok := b.sidecarMetric("pillion_sidecar_cpu_seconds_total", ""); !ok || after < before {
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

// TestAResizeOfVersion1 keeps to the profile's shares, and never gives more than the kubelet's.
func TestAResizeOfVersion1(t *testing.T) {
	b := newBed(t, "v2.4.2")
	b.agent.Supported = cgroup.Supported{Version1: true}
	s := b.sandbox("web", statusOf(`plain.one "cgroup":true`))
	for kubelets, want := range map[uint64]uint64{1024: 237, 238: 237, 237: 0, 100: 0, 0: 237} {
		asked := &api.LinuxResources{Cpu: &api.LinuxCPU{Quota: api.Int64(int64(70000))}}
		if kubelets > 0 {
			asked.Cpu.Shares = api.UInt64(kubelets)
		}
		updates, err := b.agent.UpdateContainer(t.Context(), s.PodSandbox, governed(), asked)
		if err != nil || len(updates) > 1 {
			t.Fatal(updates, err)
		}
		var got uint64
		for _, u := range updates {
			r := u.GetLinux().GetResources()
			got = r.GetCpu().GetShares().GetValue()
			if r.GetCpu().GetQuota().GetValue() != 70000 || len(r.GetUnified()) > 0 {
				t.Errorf("%d shares: %v", kubelets, r)
			}
		}
		if got != want {
			t.Errorf("the kubelet's are %d: %d, want %d", kubelets, got, want)
		}
	}
}

// TestTheKubeletsReclaimStays resizes a container for which the kubelet has reclaim begin before the profile does.
func TestTheKubeletsReclaimStays(t *testing.T) {
	b := newBed(t, "v2.4.2")
	b.profile("plain.two", `{"cgroup":{"memoryHighPercent":90}}`)
	b.await("the profile is known", func() error { _, err := b.agent.Profiles.Get("plain", "two"); return err })
	b.agent.Supported = cgroup.Supported{High: true}
	s := b.sandbox("web", statusOf(`plain.two "cgroup":true`))
	for _, c := range []struct{ kubelets, want string }{{"41943040", "41943040"}, {"67000000", "60395520"}, {"max", "60395520"}, {"", "60395520"}} {
		asked := &api.LinuxResources{Memory: &api.LinuxMemory{Limit: api.Int64(int64(64 << 20))}, Unified: map[string]string{}}
		if c.kubelets != "" {
			asked.Unified["memory.high"] = c.kubelets
		}
		has := governed()
		has.Linux.Resources.Unified = map[string]string{"memory.high": "30000000"}
		updates, err := b.agent.UpdateContainer(t.Context(), s.PodSandbox, has, asked)
		if err != nil {
			t.Fatal(err)
		}
		got := c.kubelets
		if len(updates) > 0 {
			got = updates[0].GetLinux().GetResources().GetUnified()["memory.high"]
		}
		if got != c.want {
			t.Errorf("the kubelet's is %q: %q, want %q", c.kubelets, got, c.want)
		}
	}
}

func TestProfilesAreBounded(t *testing.T) {
	for text, want := range map[string]string{
		`{"cgroup":{"cpuWeight":10001}}`:           "cgroup.cpuWeight: Invalid value: 10001: must be between 0 and 10000",
		`{"cgroup":{"memoryHighPercent":100}}`:     "cgroup.memoryHighPercent: Invalid value: 100",
		`{"cgroup":{"cpuBurstPercent":101}}`:       "cgroup.cpuBurstPercent: Invalid value: 101",
		`{"cgroup":{"ioWeight":-1}}`:               "cgroup.ioWeight: Invalid value: -1",
		`{"cgroup":{"oomScoreAdjust":-1000}}`:      "cgroup.oomScoreAdjust: Invalid value: -1000",
		`{"cgroup":{"memoryMax":1}}`:               "unknown field",
		`{"redirect":{"outbound":1,"groupID":-1}}`: "redirect.groupID: Invalid value: -1",
	} {
		if p, err := ParseProfile([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", text, p, err, want)
		}
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
