package node

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/nri/pkg/api"

	"github.com/pillion-dev/pillion/node/redirect"
)

// calls are how long a runtime waited for answers, by event.
type calls struct {
	mu  sync.Mutex
	all map[string][]time.Duration
}

func (c *calls) time(event string, call func() error) error {
	began := time.Now()
	err := call()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[event] = append(c.all[event], time.Since(began))
	return err
}

// quantile gives a bound of the answers to an event, by the helper's own histogram, and how many there were with a result.
func (b *bed) quantile(event, result string, q float64) (n uint64, bound time.Duration) {
	b.t.Helper()
	families, err := b.agent.Metrics.registry.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); f.GetName() != "pillion_node_event_seconds" || l[0].GetValue() != event || l[1].GetValue() != result {
				continue
			}
			n = m.GetHistogram().GetSampleCount()
			for _, bucket := range m.GetHistogram().GetBucket() {
				if float64(bucket.GetCumulativeCount()) >= q*float64(n) {
					return n, time.Duration(bucket.GetUpperBound() * float64(time.Second))
				}
			}
			return n, time.Hour
		}
	}
	return 0, 0
}

// begins takes a Pod from its sandbox to its last container's start, as a runtime does.
func (b *bed) begins(c *calls, s *sandbox, containers ...string) error {
	if err := c.time("RunPodSandbox", func() error { return b.run(s) }); err != nil {
		return err
	}
	for _, name := range containers {
		var ctr *api.Container
		err := c.time("CreateContainer", func() (err error) { ctr, _, err = b.create(s, name); return err })
		if err != nil {
			return err
		}
		if err := c.time("StartContainer", func() error { _, err := b.start(s, ctr, syscall.SysProcAttr{}); return err }); err != nil {
			return err
		}
	}
	return nil
}

// TestManyPodsAtOnce starts Pods at once, with real network namespaces, cgroups and processes, and prints how long the runtime
// waited and how long the helper took of its time. One Pod among them is held up: it is refused, once after the whole of the
// helper's time and then after a moment, and all others start.
func TestManyPodsAtOnce(t *testing.T) {
	b := newBed(t, "v2.4.2")
	const n = 50
	boxes := make([]*sandbox, n)
	for i := range boxes {
		boxes[i] = b.sandbox(fmt.Sprint("web-", i), statusOf(meshOne))
	}
	slow := b.sandbox("slow", statusOf(meshOne))
	held := b.agent.index.get(slow.PodSandbox)
	held.Lock()
	waited := &calls{all: map[string][]time.Duration{}}
	errs := make([]error, n)
	var group sync.WaitGroup
	for i, s := range boxes {
		group.Go(func() { errs[i] = b.begins(waited, s, "mesh-gate", "mesh", "app") })
	}
	const tries = 10
	for range tries {
		if err := b.run(slow); err == nil || !strings.Contains(err.Error(), errLate.Error()) {
			t.Errorf("the Pod that is held up: %v", err)
		}
	}
	group.Wait()
	held.Unlock()
	b.await("it is done in the end", func() error { return b.run(slow) })
	for i, s := range boxes {
		if errs[i] != nil {
			t.Errorf("%s: %v", s.Name, errs[i])
		}
		if got, unknown := b.table(s).Hash, b.wants("mesh.one", redirect.Proxy{}, redirect.Active); got == "" || got == unknown {
			t.Errorf("%s: %q is not a table that knows the proxy", s.Name, got)
		}
	}
	deadline := time.Duration(b.agent.deadline.Load())
	for event, want := range map[string]uint64{"RunPodSandbox": n + 1, "CreateContainer": 3 * n, "StartContainer": 3 * n} {
		done, bound := b.quantile(event, "done", 0.99)
		if done != want {
			t.Errorf("%d times %s was done, want %d", done, event, want)
		}
		took := waited.all[event]
		slices.Sort(took)
		t.Logf("%-15s %3d times: the helper took at most %s for 99 %% of them, of a deadline of %s; the runtime's callers, who also wait for one another, %s for half, %s for 99 %%",
			event, done, bound, deadline, took[len(took)/2].Round(time.Microsecond), took[len(took)*99/100].Round(time.Microsecond))
	}
	// Of the refusals one alone took the helper's whole time; the others were not waited for.
	refused, bound := b.quantile("RunPodSandbox", "refused", float64(tries-1)/tries)
	if refused < tries || bound > deadline/2 {
		t.Errorf("it was refused %d times, all but one within %s", refused, bound)
	}
	if _, most := b.quantile("RunPodSandbox", "refused", 1); most < deadline {
		t.Errorf("the first refusal came within %s: nothing is shown by this", most)
	}
}

// TestSynchronizeLeavesTheWorkForLater registers with a runtime that has 500 Pods: they are taken up at once, and seen to
// once the runtime goes on.
func TestSynchronizeLeavesTheWorkForLater(t *testing.T) {
	b := newBed(t, "v2.4.2")
	b.stop()
	const pods, containers = 500, 3
	b.mu.Lock()
	for i := range pods {
		s := &api.PodSandbox{Id: fmt.Sprintf("box%d", i), Name: fmt.Sprintf("web-%d", i), Namespace: "shop", Uid: fmt.Sprint(i),
			Annotations: map[string]string{"pillion.dev/status": statusOf(`plain.one "cgroup":true`)}}
		b.pods = append(b.pods, s)
		for j := range containers {
			b.ctrs = append(b.ctrs, &api.Container{Id: fmt.Sprintf("box%dctr%d", i, j), PodSandboxId: s.Id, Name: fmt.Sprint("c", j), State: api.ContainerState_CONTAINER_RUNNING, Pid: 1})
		}
	}
	// One that takes work: it is held up, and so is all work, but not the runtime.
	last := b.sandbox("last", statusOf(meshOne))
	b.pods = append(b.pods, last.PodSandbox)
	b.mu.Unlock()
	b.serve()
	b.await("all Pods are known", func() error {
		if n := len(b.agent.index.all()); n != pods+1 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	known := 0
	for _, p := range b.agent.index.all() {
		known += len(p.containers)
	}
	if known != pods*containers {
		t.Errorf("%d containers are known, want %d", known, pods*containers)
	}
	b.await("the one is seen to", func() error {
		if b.table(last).Hash == "" {
			return fmt.Errorf("no table")
		}
		return nil
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	t.Logf("a runtime with %d Pods and %d containers was held up for %s, of the 2 s that it gives", pods+1, pods*containers, b.synced)
}
