package node

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/node/cgroup"
)

// ledger counts what the sidecars of injected Pods use, by entry and revision: those that run and those that have ended. It
// reads the kernel's own counters, which go on while nobody looks; of a container that ends between two readings only what it
// used since the last one is not its own, and that is told too: it is what the Pod used beyond its containers.
type ledger struct {
	hierarchies cgroup.Hierarchies
	root        cgroup.Root
	// known reports whether an entry's revision is the cluster's, so that its name may label a metric.
	known    func(name, revision string) bool
	arrivals arrivals

	mu sync.Mutex
	// accounts by the ids of containers; pods by those of sandboxes.
	accounts map[string]*account
	pods     map[string]*podAccount
	// ended holds the usage of containers that are gone.
	ended map[label]cgroup.Usage
	// beyond is what Pods that are gone used beyond their containers.
	beyond time.Duration
}

// label is what usage is summed up by. Those of the app have no sidecar.
type label struct{ sidecar, revision string }

// account is one container's.
type account struct {
	label
	pod  string
	dir  *cgroup.Dir
	last cgroup.Usage
}

// podAccount is what a Pod used at the last reading, and what its containers that are gone did.
type podAccount struct {
	dir         *cgroup.Dir
	first, last time.Duration
	ended       time.Duration
	// beyond is the most that the Pod was seen to use beyond its containers: their readings are not of one moment, and a counter
	// that fell would be taken for one that began anew.
	beyond time.Duration
}

// count brings beyond up to date, for what the containers that run have used.
func (p *podAccount) count(live time.Duration) time.Duration {
	p.beyond = max(p.beyond, p.last-p.first-p.ended-live)
	return p.beyond
}

// ledgerEvery is the time between two readings.
const ledgerEvery = 15 * time.Second

func newLedger(h cgroup.Hierarchies, root cgroup.Root, known func(name, revision string) bool) *ledger {
	return &ledger{hierarchies: h, root: root, known: known, arrivals: newArrivals(), accounts: map[string]*account{}, pods: map[string]*podAccount{}, ended: map[label]cgroup.Usage{}}
}

// started has a container's account opened soon.
func (l *ledger) started(p *pod, name string, c *container) {
	if l != nil && p.asks != nil && c.pid != 0 {
		l.arrivals.add(c.id, arrival{p, name, c.pid})
	}
}

// open opens the account of a container, and its Pod's. What cannot be read is not counted.
func (l *ledger) open(id string, c arrival) {
	l.mu.Lock()
	known, pod := l.accounts[id] != nil, l.pods[c.pod.id]
	l.mu.Unlock()
	if known {
		return
	}
	paths, err := l.root.PathsOf(c.pid)
	if err != nil {
		return
	}
	dir, err := l.hierarchies.Open(paths, id)
	if err != nil {
		return
	}
	own := &account{label: l.labelOf(c), pod: c.pod.id, dir: dir}
	own.read()
	if pod == nil {
		pod = l.openPod(paths, own.last.CPU)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts[id] = own
	if pod != nil {
		l.pods[c.pod.id] = pod
	}
}

func (l *ledger) labelOf(c arrival) label {
	s := c.pod.asks.Sidecars[c.name]
	switch {
	case s == nil:
		return label{}
	case l.known(s.Name, s.Revision):
		return label{s.Name, s.Revision}
	}
	return label{"other", ""}
}

// openPod opens the account of a Pod, whose cgroup is the one above that of its first container, and which had used own by then.
func (l *ledger) openPod(paths cgroup.Paths, own time.Duration) *podAccount {
	above := cgroup.Paths{}
	for controller, at := range paths {
		above[controller] = filepath.Dir(at)
	}
	dir, err := l.hierarchies.Open(above, "")
	if err != nil {
		return nil
	}
	u, _ := dir.Sample()
	return &podAccount{dir: dir, first: u.CPU - own, last: u.CPU}
}

// stopped reads a container for the last time and closes its account.
func (l *ledger) stopped(id string) {
	if l == nil {
		return
	}
	l.arrivals.open(l.open, id)
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[id]; a != nil {
		a.read()
		l.close(id, a)
	}
}

func (l *ledger) close(id string, a *account) {
	a.dir.Close()
	l.ended[a.label] = sum(l.ended[a.label], a.last)
	if p := l.pods[a.pod]; p != nil {
		p.ended += a.last.CPU
	}
	delete(l.accounts, id)
}

// removed closes the account of a Pod.
func (l *ledger) removed(sandbox string) {
	if l == nil {
		return
	}
	l.arrivals.drop(sandbox)
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, a := range l.accounts {
		if a.pod == sandbox {
			a.read()
			l.close(id, a)
		}
	}
	if p := l.pods[sandbox]; p != nil {
		l.beyond += p.count(0)
		p.dir.Close()
		delete(l.pods, sandbox)
	}
}

// read takes a reading; false where the cgroup is gone.
func (a *account) read() bool {
	u, ok := a.dir.Sample()
	if ok {
		a.last = u
	}
	return ok
}

// round reads every account.
func (l *ledger) round() {
	l.arrivals.openAll(l.open)
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, a := range l.accounts {
		if !a.read() {
			l.close(id, a)
		}
	}
	for _, p := range l.pods {
		if u, ok := p.dir.Sample(); ok {
			p.last = u.CPU
		}
	}
}

// run reads every account at times, until the context ends.
func (l *ledger) run(ctx context.Context) {
	tick := time.NewTicker(ledgerEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.arrivals.come:
			l.arrivals.openAll(l.open)
		case <-tick.C:
			l.round()
		}
	}
}

// sum adds what two cgroups used; memory is that of the second alone, as the first is gone.
func sum(a, b cgroup.Usage) cgroup.Usage {
	b.CPU += a.CPU
	b.Throttled += a.Throttled
	b.OOMKills += a.OOMKills
	b.CPUSome += a.CPUSome
	b.MemorySome += a.MemorySome
	b.MemoryFull += a.MemoryFull
	b.IOSome += a.IOSome
	b.IOFull += a.IOFull
	b.Memory, b.Anonymous = 0, 0
	return b
}

// totals gives the usage of all containers by label, how many run, and the CPU time of Pods beyond that of their containers.
func (l *ledger) totals() (all map[label]cgroup.Usage, running map[label]int, beyond time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, running, beyond = map[label]cgroup.Usage{}, map[label]int{}, l.beyond
	for of, u := range l.ended {
		all[of] = u
	}
	live := map[string]time.Duration{}
	for _, a := range l.accounts {
		t := all[a.label]
		memory, anonymous := t.Memory+a.last.Memory, t.Anonymous+a.last.Anonymous
		t = sum(t, a.last)
		t.Memory, t.Anonymous = memory, anonymous
		all[a.label] = t
		running[a.label]++
		live[a.pod] += a.last.CPU
	}
	for id, p := range l.pods {
		beyond += p.count(live[id])
	}
	return all, running, beyond
}

// The ledger's metrics. Containers of the app have an empty sidecar; those of single Namespaces' entries are "other".
var (
	cpuDesc        = prometheus.NewDesc("pillion_sidecar_cpu_seconds_total", "CPU time that the containers of a sidecar have used on the node, by entry and revision; sidecar is empty for the app of injected Pods, and other for entries of single Namespaces.", []string{"sidecar", "revision"}, nil)
	throttledDesc  = prometheus.NewDesc("pillion_sidecar_throttled_seconds_total", "Time for which they were throttled, because of their CPU limits.", []string{"sidecar", "revision"}, nil)
	memoryDesc     = prometheus.NewDesc("pillion_sidecar_memory_bytes", "Memory that they use, with the page cache.", []string{"sidecar", "revision"}, nil)
	anonymousDesc  = prometheus.NewDesc("pillion_sidecar_memory_anonymous_bytes", "Memory that they use and that cannot be dropped.", []string{"sidecar", "revision"}, nil)
	oomDesc        = prometheus.NewDesc("pillion_sidecar_oom_kills_total", "Processes of theirs that the kernel killed for want of memory.", []string{"sidecar", "revision"}, nil)
	pressureDesc   = prometheus.NewDesc("pillion_sidecar_pressure_seconds_total", "Time for which some, or all (full), of a container's tasks stood still for want of cpu, memory or io; summed over containers.", []string{"sidecar", "revision", "resource", "kind"}, nil)
	containersDesc = prometheus.NewDesc("pillion_sidecar_containers", "Their containers that run.", []string{"sidecar", "revision"}, nil)
	beyondDesc     = prometheus.NewDesc("pillion_pod_unattributed_cpu_seconds_total", "CPU time that injected Pods used beyond what is counted for their containers; next to nothing, or the ledger misses some.", nil, nil)
)

// Describe names the metrics.
func (l *ledger) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{cpuDesc, throttledDesc, memoryDesc, anonymousDesc, oomDesc, pressureDesc, containersDesc, beyondDesc} {
		to <- d
	}
}

// Collect gives the metrics as of now.
func (l *ledger) Collect(to chan<- prometheus.Metric) {
	l.round()
	all, running, beyond := l.totals()
	for of, u := range all {
		counter := func(d *prometheus.Desc, v float64, more ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, append([]string{of.sidecar, of.revision}, more...)...)
		}
		counter(cpuDesc, u.CPU.Seconds())
		counter(throttledDesc, u.Throttled.Seconds())
		counter(oomDesc, float64(u.OOMKills))
		counter(pressureDesc, u.CPUSome.Seconds(), "cpu", "some")
		counter(pressureDesc, u.MemorySome.Seconds(), "memory", "some")
		counter(pressureDesc, u.MemoryFull.Seconds(), "memory", "full")
		counter(pressureDesc, u.IOSome.Seconds(), "io", "some")
		counter(pressureDesc, u.IOFull.Seconds(), "io", "full")
		to <- prometheus.MustNewConstMetric(memoryDesc, prometheus.GaugeValue, float64(u.Memory), of.sidecar, of.revision)
		to <- prometheus.MustNewConstMetric(anonymousDesc, prometheus.GaugeValue, float64(u.Anonymous), of.sidecar, of.revision)
		to <- prometheus.MustNewConstMetric(containersDesc, prometheus.GaugeValue, float64(running[of]), of.sidecar, of.revision)
	}
	to <- prometheus.MustNewConstMetric(beyondDesc, prometheus.CounterValue, beyond.Seconds())
}
