package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/containerd/nri/pkg/api"

	"github.com/pillion-dev/pillion/node/cgroup"
	"github.com/pillion-dev/pillion/node/redirect"
)

// Options set an Agent up.
type Options struct {
	Profiles *Profiles
	// HostNetwork is the inode number of the node's network namespace.
	HostNetwork uint64
	// CgroupNamespace is the path of the node's cgroup namespace; empty: the process is in it.
	CgroupNamespace string
	// CgroupRoot is where this process's cgroup namespace begins.
	CgroupRoot cgroup.Root
	// Cgroup2 is where the hierarchy of version 2 is mounted; empty where there is none.
	Cgroup2 string
	// Hierarchies are where the node's cgroups are mounted, and Supported which files containers have there.
	Hierarchies cgroup.Hierarchies
	Supported   cgroup.Supported
	// RuntimeHandlers are those whose Pods are ordinary processes of the node. Others, such as virtual machines, are not
	// redirected.
	RuntimeHandlers []string
	// LeftAlone are Namespaces whose Pods are none of the helper's business, beside kube-system.
	LeftAlone []string
	Log       *slog.Logger
	Metrics   *Metrics
}

// Agent answers a runtime's events. Its methods are those of an NRI plugin.
type Agent struct {
	Options
	loader redirect.Loader
	index  index
	ledger *ledger
	// deadline is how long an answer may take, in nanoseconds.
	deadline atomic.Int64
	features atomic.Pointer[Features]
	// connected: the runtime calls.
	connected atomic.Bool
	// again has the Pods looked at by the reconciler.
	again chan struct{}
}

// defaultDeadline is a part of the two seconds after which runtimes give a plugin up.
const defaultDeadline = 1200 * time.Millisecond

// NewAgent makes an Agent.
func NewAgent(o Options) *Agent {
	a := &Agent{Options: o, loader: redirect.Loader{CgroupNamespace: o.CgroupNamespace}, again: make(chan struct{}, 1)}
	a.index.pods = map[string]*pod{}
	a.deadline.Store(int64(defaultDeadline))
	a.features.Store(&Features{})
	a.Profiles.changed = a.profilesChanged
	a.ledger = newLedger(o.Hierarchies, o.CgroupRoot, func(name, revision string) bool { _, err := a.Profiles.Get(name, revision); return err == nil })
	a.Metrics.registry.MustRegister(a.ledger)
	a.Metrics.inMode(ModeNone)
	a.profilesChanged()
	return a
}

// profilesChanged takes up that there are other profiles: Pods may wait for them.
func (a *Agent) profilesChanged() {
	names, broken := a.Profiles.Names()
	a.Metrics.knows(len(names), broken, a.Profiles.AsOf())
	a.look()
}

// look has the reconciler look at all Pods soon.
func (a *Agent) look() {
	select {
	case a.again <- struct{}{}:
	default:
	}
}

// managed reports whether a Pod is injected, and may ask for something.
func (a *Agent) managed(p *pod) bool {
	return (p.bad != nil || p.asks != nil) && p.namespace != "kube-system" && !slices.Contains(a.LeftAlone, p.namespace)
}

// count counts the Pods that ask for something.
func (a *Agent) count() {
	n := 0
	for _, p := range a.index.all() {
		if a.managed(p) {
			n++
		}
	}
	a.Metrics.pods(n)
}

// Configure learns what the runtime is.
func (a *Agent) Configure(_ context.Context, _, runtime, version string) (api.EventMask, error) {
	f := featuresOf(runtime, version)
	a.features.Store(&f)
	a.Metrics.runtime(&f)
	a.Log.Info("runtime", "name", runtime, "version", version, "joins", f.Joins)
	return api.MustParseEventMask("RunPodSandbox,StopPodSandbox,RemovePodSandbox,CreateContainer,StartContainer,UpdateContainer,StopContainer,RemoveContainer"), nil
}

// Synchronize takes up what there is. It does nothing for it yet: a runtime gives two seconds for a whole node, and holds up
// all Pods for as long.
func (a *Agent) Synchronize(_ context.Context, sandboxes []*api.PodSandbox, containers []*api.Container) ([]*api.ContainerUpdate, error) {
	pods := make(map[string]*pod, len(sandboxes))
	list := make([]*pod, 0, len(sandboxes))
	for _, s := range sandboxes {
		p := newPod(s)
		pods[p.id] = p
		list = append(list, p)
	}
	for _, c := range containers {
		p := pods[c.GetPodSandboxId()]
		if p == nil || c.GetState() == api.ContainerState_CONTAINER_STOPPED {
			continue
		}
		ctr := &container{id: c.GetId()}
		if c.GetState() == api.ContainerState_CONTAINER_RUNNING {
			ctr.pid = int(c.GetPid())
		}
		p.containers[c.GetName()] = ctr
	}
	a.index.replace(list)
	a.count()
	a.look()
	a.Log.Info("synchronized", "pods", len(list), "containers", len(containers))
	return nil, nil
}

// RunPodSandbox redirects a Pod before it has a container.
func (a *Agent) RunPodSandbox(ctx context.Context, s *api.PodSandbox) error {
	p := a.index.get(s)
	a.count()
	return a.do(ctx, "RunPodSandbox", p, func() error {
		p.locate(s)
		return a.redirect(p)
	})
}

// CreateContainer sees to it again, as the plugin may not have been there when the sandbox was made, and has a joiner created
// in its target's PID namespace.
func (a *Agent) CreateContainer(ctx context.Context, s *api.PodSandbox, c *api.Container) (*api.ContainerAdjustment, []*api.ContainerUpdate, error) {
	p := a.index.get(s)
	var adjust atomic.Pointer[api.ContainerAdjustment]
	err := a.do(ctx, "CreateContainer", p, func() error {
		p.locate(s)
		if path := networkPath(c.GetLinux().GetNamespaces()); p.netns == "" && path != "" {
			p.netns = path
		}
		// One of that name that there was has ended, whether that was told or not, and its process's number may be another's.
		p.containers[c.GetName()].release()
		ctr := &container{id: c.GetId()}
		p.containers[c.GetName()] = ctr
		if err := a.redirect(p); err != nil {
			return err
		}
		made := &api.ContainerAdjustment{}
		if err := a.govern(p, c.GetName(), c, made); err != nil {
			return err
		}
		if err := a.join(p, c.GetName(), ctr, made); err != nil {
			return err
		}
		adjust.Store(made)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return adjust.Load(), nil, nil
}

// StartContainer knows the process, which has not begun yet: the proxy's traffic is told from the Pod's from its first packet
// on, and a joiner is where it should be.
func (a *Agent) StartContainer(ctx context.Context, s *api.PodSandbox, c *api.Container) error {
	p := a.index.get(s)
	if !a.managed(p) {
		p.seen(c.GetName(), c.GetId(), int(c.GetPid()))
	}
	err := a.do(ctx, "StartContainer", p, func() error {
		ctr := p.containers[c.GetName()]
		if ctr == nil || ctr.id != c.GetId() {
			ctr = &container{id: c.GetId()}
			p.containers[c.GetName()] = ctr
		}
		ctr.pid = int(c.GetPid())
		defer ctr.release()
		a.ledger.started(p, c.GetName(), ctr)
		if err := a.joined(p, c.GetName(), ctr); err != nil {
			return err
		}
		if p.asks.Proxy != nil && c.GetName() == p.asks.Proxy.Name {
			p.phase = redirect.Active
			return a.redirect(p)
		}
		return nil
	})
	if errors.Is(err, errLate) && p.asks != nil && !p.asks.places(c.GetName()) {
		return nil // it is done a little later, and nothing depends on it
	}
	return err
}

// UpdateContainer has a container that is resized in place keep to its profile.
func (a *Agent) UpdateContainer(ctx context.Context, s *api.PodSandbox, c *api.Container, r *api.LinuxResources) (updates []*api.ContainerUpdate, err error) {
	p := a.index.get(s)
	if p.asks == nil || p.asks.Governed[c.GetName()] == nil {
		return nil, nil
	}
	var made []*api.ContainerUpdate
	err = a.do(ctx, "UpdateContainer", p, func() (err error) {
		made, err = a.resize(p, c, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// StopContainer forgets the process.
func (a *Agent) StopContainer(ctx context.Context, s *api.PodSandbox, c *api.Container) ([]*api.ContainerUpdate, error) {
	p := a.index.get(s)
	a.ledger.stopped(c.GetId())
	if !a.managed(p) {
		p.gone(c.GetName(), c.GetId())
	}
	err := a.do(ctx, "StopContainer", p, func() error {
		ctr := p.containers[c.GetName()]
		if ctr == nil || ctr.id != c.GetId() {
			return nil // another one has the name by now
		}
		ctr.release()
		delete(p.containers, c.GetName())
		if p.asks.Proxy != nil && c.GetName() == p.asks.Proxy.Name {
			return a.proxyEnded(p)
		}
		return nil
	})
	return nil, err
}

// RemoveContainer forgets a container that was never started.
func (a *Agent) RemoveContainer(ctx context.Context, s *api.PodSandbox, c *api.Container) error {
	_, err := a.StopContainer(ctx, s, c)
	return err
}

// StopPodSandbox has nothing to do: the rules end with the namespace, which may be gone already.
func (a *Agent) StopPodSandbox(context.Context, *api.PodSandbox) error { return nil }

// RemovePodSandbox forgets a Pod.
func (a *Agent) RemovePodSandbox(_ context.Context, s *api.PodSandbox) error {
	a.ledger.removed(s.GetId())
	a.index.drop(s.GetId())
	a.count()
	return nil
}

// reconcileEvery is how often the Pods are looked at with no reason.
const reconcileEvery = time.Minute

// Reconcile sees to Pods that there were before the plugin, to those for which something failed, and to those in which
// somebody changed the rules, until the context ends.
func (a *Agent) Reconcile(ctx context.Context) {
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-a.again:
		}
		for _, p := range a.index.all() {
			if !a.managed(p) || ctx.Err() != nil {
				continue
			}
			err := p.doing(func() error {
				a.account(p)
				p.ruled = ruled{}
				return a.redirect(p)
			})
			if err != nil {
				a.Log.Warn("reconcile", "pod", p.String(), "error", err)
			}
		}
	}
}

// account opens the accounts of containers that there were before the helper.
func (a *Agent) account(p *pod) {
	for name, c := range p.containers {
		a.ledger.started(p, name, c)
	}
}

// Ledger reads what containers use, at times, until the context ends.
func (a *Agent) Ledger(ctx context.Context) { a.ledger.run(ctx) }
