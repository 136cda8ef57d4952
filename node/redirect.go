package node

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/node/namespace"
	"github.com/pillion-dev/pillion/node/redirect"
)

// redirect has the Pod's network namespace hold the table that its proxy's profile asks for. The lock is held.
func (a *Agent) redirect(p *pod) error {
	if p.asks == nil || p.asks.Proxy == nil {
		return nil
	}
	profile, err := a.Profiles.Get(p.asks.Proxy.Name, p.asks.Proxy.Revision)
	if err != nil {
		return err
	}
	if profile.Redirect == nil {
		return fmt.Errorf("profile %s redirects nothing, and the Pod says it does", ProfileKey(p.asks.Proxy))
	}
	if !slices.Contains(a.RuntimeHandlers, p.handler) {
		return fmt.Errorf("runtime handler %q: only the Pods of %q can be redirected", p.handler, a.RuntimeHandlers)
	}
	if p.netns == "" {
		return fmt.Errorf("the Pod's traffic cannot be redirected: %w", namespace.ErrHost)
	}
	ns, err := namespace.OpenNet(p.netns, a.HostNetwork)
	if errors.Is(err, fs.ErrNotExist) && len(p.containers) == 0 {
		return nil // the Pod has ended
	}
	if err != nil {
		return err
	}
	defer ns.Close()
	return a.rule(p, ns, profile)
}

// rule has the namespace hold the table. The kernel is asked for what is there only where that is not known, and called at all
// only where it has to change: most events of a Pod bring nothing new.
func (a *Agent) rule(p *pod, ns *namespace.Net, profile *Profile) error {
	if err := a.identify(p, profile); err != nil {
		return err
	}
	table := redirect.NewTable(profile.Redirect, &p.proxy, p.phase)
	now := ruled{netns: ns.Inode, proven: len(p.ips) > 0, hash: table.Hash, proxy: p.proxyID()}
	load := a.loader.Ensure
	if was := p.ruled; was.netns == now.netns && was.proven == now.proven {
		if was.hash == now.hash {
			p.ruled = now
			return nil
		}
		load = a.loader.Replace // what is there is another table
	}
	changed, err := load(ns, p.ips, table)
	if err == nil {
		p.ruled = now
	}
	if changed {
		a.Metrics.redirected()
		a.Log.Info("redirected", "pod", p.String(), "uid", p.uid, "profile", ProfileKey(p.asks.Proxy), "phase", p.phase, "proxy", p.proxy)
	}
	return err
}

// ruled is what is known to be in a Pod's network namespace.
type ruled struct {
	netns uint64
	// proven: it has an address of the Pod's.
	proven bool
	// hash is the table's, and proxy the container that the table lets by.
	hash, proxy string
}

// proxyID is the container that is the Pod's proxy now; empty where none runs.
func (p *pod) proxyID() string {
	if ctr := p.containers[p.asks.Proxy.Name]; ctr != nil && ctr.pid != 0 {
		return ctr.id
	}
	return ""
}

// identify finds what tells the proxy's own traffic: the cgroup of its process, if it runs, or else its group. It asks once for a
// process: the kernel answers with a lock held that is taken for every container it makes.
func (a *Agent) identify(p *pod, profile *Profile) error {
	id := p.proxyID()
	if id != "" && id == p.ruled.proxy {
		return nil
	}
	p.proxy = redirect.Proxy{}
	if a.Cgroup2 == "" {
		if profile.GroupID == 0 {
			return errors.New("the node has no cgroups of version 2, and the entry names no groupID by which its proxy could be told")
		}
		p.proxy.GID = profile.GroupID
		return nil
	}
	if id == "" {
		return nil // it has not started: nothing is its own yet
	}
	dir, err := a.cgroupOf(p.containers[p.asks.Proxy.Name])
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has ended
	}
	if err != nil {
		return err
	}
	inode, err := namespace.InodeOf(filepath.Join(a.Cgroup2, dir))
	if err != nil {
		return err
	}
	p.proxy.Cgroups, p.proxy.Level = []uint64{inode}, uint32(strings.Count(dir, "/"))
	return nil
}

// cgroupOf gives the path of a container's cgroup of version 2 below the node's root. A process that has another's number by
// now is told by the container's id.
func (a *Agent) cgroupOf(c *container) (string, error) {
	paths, err := a.CgroupRoot.PathsOf(c.pid)
	if err != nil {
		return "", err
	}
	dir := paths[""]
	if !strings.Contains(dir, c.id) {
		return "", fmt.Errorf("process %d is in cgroup %q, which is not that of container %s", c.pid, dir, c.id)
	}
	return dir, nil
}

// proxyEnded lets traffic go direct where the profile says so and the app is still there.
func (a *Agent) proxyEnded(p *pod) error {
	profile, err := a.Profiles.Get(p.asks.Proxy.Name, p.asks.Proxy.Revision)
	if err != nil || !profile.DirectAfterProxy || len(p.containers) == 0 {
		return nil
	}
	p.phase = redirect.Drain
	return a.redirect(p)
}
