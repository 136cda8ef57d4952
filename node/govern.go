package node

import (
	"maps"
	"strconv"

	"github.com/containerd/nri/pkg/api"

	"github.com/pillion-dev/pillion/node/cgroup"
)

// govern gives a container the values of its profile, as part of what it is created with: a runtime keeps those, and writes
// over whatever else changes its cgroup. The lock is held.
func (a *Agent) govern(p *pod, name string, c *api.Container, adjust *api.ContainerAdjustment) error {
	s := p.asks.Governed[name]
	if s == nil {
		return nil
	}
	profile, err := a.Profiles.Get(s.Name, s.Revision)
	if err != nil {
		return err
	}
	if profile.Cgroup == nil {
		return nil
	}
	v := cgroup.Govern(profile.Cgroup, given(c.GetLinux()), a.Supported)
	if v.Shares > 0 {
		adjust.SetLinuxCPUShares(v.Shares)
	}
	for file, value := range v.Unified {
		adjust.AddLinuxUnified(file, value)
	}
	if v.RaiseOOM {
		score := int(v.OOMScoreAdjust)
		adjust.SetLinuxOomScoreAdj(&score)
	}
	return nil
}

// given reads what the kubelet gives a container.
func given(l *api.LinuxContainer) cgroup.Given {
	cpu, memory := l.GetResources().GetCpu(), l.GetResources().GetMemory()
	high, _ := strconv.ParseInt(l.GetResources().GetUnified()[cgroup.FileHigh], 10, 64) // 0 for max
	return cgroup.Given{Shares: cpu.GetShares().GetValue(), Quota: cpu.GetQuota().GetValue(), Period: cpu.GetPeriod().GetValue(),
		MemoryLimit: memory.GetLimit().GetValue(), MemoryHigh: high, OOMScoreAdjust: l.GetOomScoreAdj().GetValue()}
}

// resize gives a container that is resized in place the values of its profile for its new size. The burst goes first: a kernel
// takes no quota below it. The lock is held.
func (a *Agent) resize(p *pod, c *api.Container, r *api.LinuxResources) ([]*api.ContainerUpdate, error) {
	s := p.asks.Governed[c.GetName()]
	if s == nil {
		return nil, nil
	}
	profile, err := a.Profiles.Get(s.Name, s.Revision)
	if err != nil || profile.Cgroup == nil {
		return nil, err
	}
	now := resized(c, r)
	v := cgroup.Govern(profile.Cgroup, now, a.Supported)
	if a.Supported.Version1 {
		return lowered(c, r, v.Shares), nil
	}
	if a.Supported.Burst && profile.Cgroup.CPUBurstPercent > 0 {
		if err := a.dropBurst(p, c.GetName()); err != nil {
			return nil, err
		}
	}
	had := cgroup.Govern(profile.Cgroup, given(c.GetLinux()), a.Supported).Unified
	maps.Copy(had, c.GetLinux().GetResources().GetUnified())
	for file := range had {
		if content, is := cgroup.Reset(profile.Cgroup, file, now); is && v.Unified[file] == "" && r.GetUnified()[file] == "" {
			v.Unified[file] = content
		}
	}
	if len(v.Unified) == 0 {
		return nil, nil
	}
	update := &api.ContainerUpdate{ContainerId: c.GetId(), Linux: &api.LinuxContainerUpdate{Resources: r.Copy()}}
	for file, value := range v.Unified {
		update.AddLinuxUnified(file, value)
	}
	return []*api.ContainerUpdate{update}, nil
}

// resized is what the kubelet gives a container from now on.
func resized(c *api.Container, r *api.LinuxResources) cgroup.Given {
	now, asked := given(c.GetLinux()), given(&api.LinuxContainer{Resources: r})
	if asked.Shares > 0 {
		now.Shares = asked.Shares
	}
	if asked.Quota != 0 {
		now.Quota = asked.Quota
	}
	if asked.MemoryLimit > 0 {
		now.MemoryLimit = asked.MemoryLimit
	}
	now.MemoryHigh = asked.MemoryHigh // what the container has is of its profile
	return now
}

// lowered is an update with fewer shares of version 1; none where they are to be the kubelet's.
func lowered(c *api.Container, r *api.LinuxResources, shares uint64) []*api.ContainerUpdate {
	if shares == 0 {
		return nil
	}
	update := &api.ContainerUpdate{ContainerId: c.GetId(), Linux: &api.LinuxContainerUpdate{Resources: r.Copy()}}
	update.SetLinuxCPUShares(shares)
	return []*api.ContainerUpdate{update}
}

func (a *Agent) dropBurst(p *pod, name string) error {
	ctr := p.containers[name]
	if ctr == nil || ctr.pid == 0 {
		return nil
	}
	paths, err := a.CgroupRoot.PathsOf(ctr.pid)
	if err != nil {
		return err
	}
	dir, err := a.ledger.hierarchies.Open(paths, ctr.id)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.DropBurst()
}
