package sidecars

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: where an app container mounts a volume at a shared path already, the sidecar joins that volume (emptyDir, PVC or
// hostPath alike) with its subPath; where it mounts a parent of the path, the sidecar joins at the subdirectory. Two
// volumes at one path, a subPathExpr, or a read-only volume under a writing sidecar are refused. Where nothing is
// mounted, the entry's own emptyDir is. Every container meant gets the mount it lacks. What an earlier run joined stays
// joined, whatever a container that came later mounts there.
// Reads: volumeMounts of app containers, kinds of volumes.
// Adds: volumeMounts of app containers and of other entries.
// Golden: shared-volume, join-*.
func (p *plan) joinVolumes() {
	for _, s := range p.sidecars {
		for i := range s.entry.volumes {
			if v := &s.entry.volumes[i]; v.when.holds(s.values) {
				p.joinVolume(s, i, v)
			}
		}
	}
}

// joinVolume looks at every path of a volume before it mounts anything, as all of them are to show one volume.
func (p *plan) joinVolume(s *sidecar, i int, v *volume) {
	j := &s.joined[i]
	*j = joint{volume: v.name, own: true}
	found, before := p.joinedBefore(s, v)
	paths := make([]string, len(v.shares))
	for k := range v.shares {
		sh := &v.shares[k]
		if !sh.when.holds(s.values) {
			continue
		}
		if at := sh.mountPath.text(s.values); p.validMountPath(s, sh, at) {
			paths[k] = at
			if !before {
				p.findJoint(s, v, k, at, &found)
			}
		}
	}
	if found.volume != "" {
		j.volume, j.subPath, j.own = found.volume, found.subPath, found.volume == v.name
	}
	for k, at := range paths {
		if at != "" {
			p.mountIntoApp(s, &v.shares[k], j, at)
			p.mountIntoSidecars(s, &v.shares[k], j, at)
		}
	}
}

func (p *plan) validMountPath(s *sidecar, sh *share, at string) bool {
	if mountable(at) {
		return true
	}
	p.fail(BadParameter, field.Invalid(p.settingPath(s, sh.mountPath), quotedIfLong(at), "sidecar "+s.entry.Name+" cannot share a volume at this path: want a clean absolute path without a colon"))
	return false
}

// joinedBefore gives what the entry's own containers, which an earlier run added, mount as the volume. What new containers
// of the app mount at its paths is then theirs.
func (p *plan) joinedBefore(s *sidecar, v *volume) (foundJoint, bool) {
	for i := range s.entry.containers {
		c := &s.entry.containers[i]
		at, there := p.pod.container(c.name)
		if !there || s.was == nil || !slices.Contains(s.was.Containers, c.name) {
			continue
		}
		for _, m := range c.mounts {
			mountPath := m.mountPath.text(s.values)
			k := slices.IndexFunc(at.ctr.VolumeMounts, func(had Mount) bool { return had.MountPath == mountPath })
			if m.volume != v.name || k < 0 || !m.when.holds(s.values) {
				continue
			}
			had := &at.ctr.VolumeMounts[k]
			sub := strings.TrimSuffix(strings.TrimSuffix(had.SubPath, m.subPath.text(s.values)), "/")
			return foundJoint{volume: had.Name, subPath: sub, by: c.name, at: mountPath}, true
		}
	}
	return foundJoint{}, false
}

// foundJoint is what a container of the app mounts at a shared path.
type foundJoint struct {
	volume, subPath string
	by, at          string
}

// findJoint looks for what app containers mount at the path of the entry's share k, and refuses what differs from what was
// found before.
func (p *plan) findJoint(s *sidecar, v *volume, k int, at string, found *foundJoint) {
	p.app(func(c containerPlace) {
		if !v.shares[k].containers.matches(c.ctr.Name, s.values) {
			return
		}
		m, index := p.mountCovering(c, at)
		if m == nil {
			return
		}
		here := c.path().Child("volumeMounts").Index(index)
		if index < 0 {
			here = p.req.injectPath()
		}
		if why := p.cannotJoin(v, m); why != "" && (s.was == nil || !p.gave(c.ctr.Name, m.MountPath)) {
			p.fail(Conflict, field.Invalid(here, m.MountPath, fmt.Sprintf("sidecar %s shares %s: %s", s.entry.Name, at, why)))
			return
		}
		subPath := path.Join(m.SubPath, strings.TrimPrefix(strings.TrimPrefix(at, m.dir()), "/"))
		now := foundJoint{m.Name, subPath, c.ctr.Name, at}
		if found.volume == "" {
			*found = now
		}
		if found.volume != now.volume || found.subPath != now.subPath {
			why := fmt.Sprintf("sidecar %s shares one volume: here it is %s, in container %s at %s it is %s", s.entry.Name, now.what(), found.by, found.at, found.what())
			p.fail(Conflict, field.Invalid(here, m.MountPath, why))
		}
	})
}

// gave reports whether an earlier run gave a container its mount at a path: that may be read-only though the sidecar writes.
func (p *plan) gave(container, at string) bool {
	return slices.ContainsFunc(p.old.App, func(in v1alpha1.InjectedInto) bool {
		return in.Container == container && slices.Contains(in.Mounts, at)
	})
}

func (f *foundJoint) what() string {
	if f.subPath == "" {
		return f.volume
	}
	return f.volume + ", subPath " + f.subPath
}

// cannotJoin says why the entry cannot use a mount's volume, or nothing.
func (p *plan) cannotJoin(v *volume, m *Mount) string {
	if m.SubPathExpr != "" {
		return "a subPathExpr cannot be joined"
	}
	if !v.written {
		return ""
	}
	if m.ReadOnly {
		return "volume " + m.Name + " is mounted read-only and the sidecar writes"
	}
	if vol := p.pod.volume(m.Name); vol != nil && vol.readOnlyKind() != "" {
		return "volume " + m.Name + " is read-only, being a " + vol.readOnlyKind() + ", and the sidecar writes"
	}
	return ""
}

// mountCovering gives the mount of a container at a path or, failing that, at its nearest parent, with its index among
// the container's own mounts or -1 for one that another entry adds.
func (p *plan) mountCovering(c containerPlace, at string) (*Mount, int) {
	var best *Mount
	index := -1
	for i := range c.ctr.VolumeMounts {
		if m := &c.ctr.VolumeMounts[i]; m.coversNearer(at, best) {
			best, index = m, i
		}
	}
	for i := range p.mounts {
		if m := &p.mounts[i]; m.to.ctr == c.ctr && m.coversNearer(at, best) {
			best, index = &m.Mount, -1
		}
	}
	return best, index
}

func (p *plan) mountIntoApp(s *sidecar, sh *share, j *joint, at string) {
	p.app(func(c containerPlace) {
		if !sh.containers.matches(c.ctr.Name, s.values) {
			return
		}
		if m, _ := p.mountCovering(c, at); m == nil {
			p.mounts = append(p.mounts, mountAddition{c, Mount{Name: j.volume, MountPath: at, SubPath: j.subPath, ReadOnly: sh.readOnly}})
		}
	})
	p.checkTargets(s, &sh.containers)
}

// checkTargets refuses a name that no container of the app has, and a glob that the Pod itself gives and that none matches.
func (p *plan) checkTargets(s *sidecar, t *targets) {
	if t.param < 0 {
		return
	}
	for _, it := range s.values[t.param].items {
		_, malformed := path.Match(it.text, "")
		glob := strings.ContainsAny(it.text, "*?[")
		if it.text == "*" || glob && malformed == nil && s.values[t.param].from != FromPod {
			continue
		}
		names := p.appNames()
		if slices.ContainsFunc(names, func(n string) bool { return n == it.text || globMatches(it.text, n) }) {
			continue
		}
		key := s.entry.params[t.param].name
		at := annotationPath("pillion.dev/"+s.entry.Name+"."+key, s.values[t.param].from)
		p.fail(BadParameter, field.Invalid(at, quotedIfLong(it.text), "no such container"+hint(it.text, names, "the Pod has")))
	}
}

// mountIntoSidecars gives the mount to other entries' containers: to those still to be added, and to those that are there
// and lack it.
func (p *plan) mountIntoSidecars(s *sidecar, sh *share, j *joint, at string) {
	for _, name := range sh.sidecars {
		other := p.sidecar(name)
		if other == nil || other == s {
			continue
		}
		m := Mount{Name: j.volume, MountPath: at, SubPath: j.subPath, ReadOnly: sh.readOnly}
		other.extra = append(other.extra, m)
		if other.was == nil {
			continue
		}
		for _, ctr := range other.was.Containers {
			if c, there := p.pod.container(ctr); there && !mountsAt(c.ctr, at) {
				p.mounts = append(p.mounts, mountAddition{c, m})
			}
		}
	}
}

// coversNearer reports whether the mount is at a path, or at a parent of it nearer than that of another mount.
func (m *Mount) coversNearer(at string, other *Mount) bool {
	dir := m.dir()
	rest, below := strings.CutPrefix(at, dir)
	if !below || rest != "" && rest[0] != '/' && dir != "/" {
		return false
	}
	return other == nil || len(dir) > len(other.dir())
}

// dir is the directory that a mount covers: the kubelet takes mount paths that are not clean, or not absolute, as well.
func (m *Mount) dir() string {
	if path.IsAbs(m.MountPath) {
		return path.Clean(m.MountPath)
	}
	return path.Clean("/" + m.MountPath)
}

func mountsAt(c *Container, at string) bool {
	for i := range c.VolumeMounts {
		if c.VolumeMounts[i].dir() == at {
			return true
		}
	}
	return false
}
