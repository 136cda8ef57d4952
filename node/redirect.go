package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
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
	if len(p.ips) > 0 {
		if err := ns.Holds(p.ips); err != nil {
			return err
		}
	}
	if err := a.identify(p, profile); err != nil {
		return err
	}
	changed, err := a.loader.Ensure(ns, redirect.NewTable(profile.Redirect, &p.proxy, p.phase))
	if changed {
		a.Metrics.redirected()
		a.Log.Info("redirected", "pod", p.String(), "uid", p.uid, "profile", ProfileKey(p.asks.Proxy), "phase", p.phase, "proxy", p.proxy)
	}
	return err
}

// identify finds what tells the proxy's own traffic: the cgroup of its process, if it runs, or else its group.
func (a *Agent) identify(p *pod, profile *Profile) error {
	p.proxy = redirect.Proxy{}
	if a.Cgroup2 == "" {
		if profile.GroupID == 0 {
			return errors.New("the node has no cgroups of version 2, and the entry names no groupID by which its proxy could be told")
		}
		p.proxy.GID = profile.GroupID
		return nil
	}
	ctr := p.containers[p.asks.Proxy.Name]
	if ctr == nil || ctr.pid == 0 {
		return nil // it has not started: nothing is its own yet
	}
	dir, err := a.cgroupOf(ctr)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has ended
	}
	if err != nil {
		return err
	}
	id, err := namespace.InodeOf(filepath.Join(a.Cgroup2, dir))
	if err != nil {
		return err
	}
	p.proxy.Cgroups, p.proxy.Level = []uint64{id}, uint32(strings.Count(dir, "/"))
	return nil
}

// cgroupOf gives the path of a container's cgroup of version 2 below the node's root. A process that has another's number by
// now is told by the container's id.
func (a *Agent) cgroupOf(c *container) (dir string, err error) {
	err = namespace.OnHost(a.CgroupNamespace, func() error {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(c.pid) + "/cgroup")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
				dir = rest
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if !path.IsAbs(dir) || path.Clean(dir) != dir || !strings.Contains(dir, c.id) {
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
