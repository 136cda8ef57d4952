package node

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/containerd/nri/pkg/api"

	"github.com/pillion-dev/pillion/node/redirect"
)

// pod is what is known of a Pod. Its lock is held while something is done for it, so that what comes late comes in turn.
type pod struct {
	id, uid, namespace, name string
	handler                  string
	asks                     *Asks
	// bad says why the Pod's annotation cannot be read.
	bad error

	sync.Mutex
	// netns is the path of its network namespace; empty on the host network.
	netns string
	// pid is that of the process that holds the Pod's namespaces; 0 where the runtime has none.
	pid        int
	ips        []netip.Addr
	containers map[string]*container
	proxy      redirect.Proxy
	phase      redirect.Phase
	// ruled is the zero value where nothing is known of the rules that are there.
	ruled ruled
	// trouble is why the last thing that was done for it failed.
	trouble error
	// late is how many things are being done for it, or wait for their turn, for which nobody waits any more.
	late atomic.Int32
}

// container is one of a Pod's. Its process is known from its start on.
type container struct {
	id  string
	pid int
	// joining holds the namespace that the container is to be created in, until it is.
	joining *heldNamespace
}

// String gives namespace/name.
func (p *pod) String() string { return p.namespace + "/" + p.name }

// newPod reads what the runtime says of a Pod.
func newPod(s *api.PodSandbox) *pod {
	p := &pod{id: s.GetId(), uid: s.GetUid(), namespace: s.GetNamespace(), name: s.GetName(), handler: s.GetRuntimeHandler(),
		containers: map[string]*container{}, phase: redirect.Active}
	p.asks, p.bad = ReadAsks(s.GetAnnotations())
	p.locate(s)
	return p
}

// locate takes up where the Pod's network is, which later events may know better.
func (p *pod) locate(s *api.PodSandbox) {
	if path := networkPath(s.GetLinux().GetNamespaces()); path != "" {
		p.netns = path
	}
	if s.GetPid() != 0 {
		p.pid = int(s.GetPid())
	}
	var ips []netip.Addr
	for _, text := range s.GetIps() {
		if ip, err := netip.ParseAddr(text); err == nil {
			ips = append(ips, ip)
		}
	}
	if len(ips) > 0 {
		p.ips = ips
	}
}

func networkPath(list []*api.LinuxNamespace) string {
	i := slices.IndexFunc(list, func(n *api.LinuxNamespace) bool { return n.GetType() == "network" })
	if i < 0 {
		return ""
	}
	return list[i].GetPath()
}

// index knows the Pods of the node by the ids of their sandboxes.
type index struct {
	sync.Mutex
	pods map[string]*pod
}

// get gives the Pod of a sandbox, which it takes up where it is new.
func (x *index) get(s *api.PodSandbox) *pod {
	x.Lock()
	defer x.Unlock()
	p := x.pods[s.GetId()]
	if p == nil {
		p = newPod(s)
		x.pods[p.id] = p
	}
	return p
}

func (x *index) drop(id string) {
	x.Lock()
	defer x.Unlock()
	delete(x.pods, id)
}

// replace takes up all Pods of a runtime; others are gone.
func (x *index) replace(pods []*pod) {
	x.Lock()
	defer x.Unlock()
	clear(x.pods)
	for _, p := range pods {
		x.pods[p.id] = p
	}
}

// all gives every Pod.
func (x *index) all() []*pod {
	x.Lock()
	defer x.Unlock()
	out := make([]*pod, 0, len(x.pods))
	for _, p := range x.pods {
		out = append(out, p)
	}
	return out
}

// seen takes up a container as an event tells of it; for a Pod that asks nothing that is all that is done.
func (p *pod) seen(name, id string, pid int) {
	p.Lock()
	defer p.Unlock()
	p.containers[name] = &container{id: id, pid: pid}
}

// gone forgets a container.
func (p *pod) gone(name, id string) {
	p.Lock()
	defer p.Unlock()
	if c := p.containers[name]; c != nil && c.id == id {
		delete(p.containers, name)
	}
}
