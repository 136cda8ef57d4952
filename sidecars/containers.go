package sidecars

import (
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: an entry's containers are native sidecars before the app's first init container, so that they run before, beside
// and after everything of the app; placement afterInit puts them behind the app's init containers, placement regular
// makes ordinary containers. Run-to-completion helpers come after the entry's native sidecars, those of placement first
// before everything else. What is there already keeps its place.
// Reads: names in spec.initContainers and spec.containers.
// Adds: spec.initContainers, spec.containers.
// Golden: native-sidecar, placement, init-container, node-redirect.
func (p *plan) addContainers() {
	for i, s := range p.sidecars {
		for _, c := range s.missing {
			mounts := p.mountsOf(s, c)
			p.checkMountPaths(s, c, mounts)
			body := p.json(func(dst []byte) []byte { return p.containerJSON(dst, s, c, mounts) })
			p.containers = append(p.containers, containerAddition{addition{c.name, body}, c.place, c.toCompletion, i})
			s.now.Containers = append(s.now.Containers, c.name)
		}
	}
}

func (p *plan) containerJSON(dst []byte, s *sidecar, c *container, mounts []Mount) []byte {
	dst = c.head.fill(dst, s.values, nil)
	dst = append(dst, `,"resources":`...)
	dst = p.resourcesJSON(dst, s, c)
	if security := p.securityJSON(s, c); security != nil {
		dst = append(append(dst, `,"securityContext":`...), security...)
	}
	for i := range mounts {
		if i == 0 {
			dst = append(dst, `,"volumeMounts":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = mounts[i].json(dst)
	}
	if len(mounts) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// mountsOf lists everything that a container of ours mounts.
func (p *plan) mountsOf(s *sidecar, c *container) []Mount {
	out := make([]Mount, 0, len(c.mounts)+len(s.entry.files)+len(s.extra)+1)
	for i := range c.mounts {
		m := &c.mounts[i]
		if !m.when.holds(s.values) {
			continue
		}
		v := slices.IndexFunc(s.entry.volumes, func(v volume) bool { return v.name == m.volume })
		j := &s.joined[v]
		if j.volume == "" {
			continue
		}
		p.checkMount(s, c, m)
		sub := joinSubPath(j.subPath, m.subPath.text(s.values))
		out = append(out, Mount{Name: j.volume, MountPath: m.mountPath.text(s.values), SubPath: sub, ReadOnly: m.readOnly})
	}
	return p.maskToken(s, append(append(out, s.fileMounts(c)...), s.extra...))
}

func joinSubPath(base, sub string) string {
	return strings.Trim(base+"/"+sub, "/")
}

func (m *Mount) json(dst []byte) []byte {
	dst = jsonString(append(dst, `{"name":`...), m.Name)
	dst = jsonString(append(dst, `,"mountPath":`...), m.MountPath)
	if m.SubPath != "" {
		dst = jsonString(append(dst, `,"subPath":`...), m.SubPath)
	}
	if m.ReadOnly {
		dst = append(dst, `,"readOnly":true`...)
	}
	return append(dst, '}')
}

// slot is a place in one of the container lists at which an addition goes, as the list is at that moment.
type slot struct {
	list  string
	index int // -1: at the end
	add   *containerAddition
}

// slots gives every added container its place, in the order in which they are added.
func (p *plan) slots() []slot {
	var out []slot
	names := make([]string, 0, len(p.pod.Spec.InitContainers)+len(p.containers))
	for i := range p.pod.Spec.InitContainers {
		names = append(names, p.pod.Spec.InitContainers[i].Name)
	}
	pos := 0
	for _, place := range []v1alpha1.Placement{v1alpha1.PlacementFirst, v1alpha1.PlacementBeforeInit} {
		for _, i := range p.startOrder() {
			entry := p.sidecars[i].entry
			for j := range entry.containers {
				c := &entry.containers[j]
				add := p.containerToAdd(i, c.name)
				switch at := slices.Index(names, c.name); {
				case c.place != place:
				case add == nil && at >= pos:
					pos = at + 1
				case add != nil:
					out = append(out, slot{"initContainers", pos, add})
					names = slices.Insert(names, pos, c.name)
					pos++
				}
			}
		}
	}
	for i := range p.containers {
		switch add := &p.containers[i]; add.place {
		case v1alpha1.PlacementAfterInit:
			out = append(out, slot{"initContainers", -1, add})
		case v1alpha1.PlacementRegular:
			out = append(out, slot{"containers", -1, add})
		}
	}
	return out
}

func (p *plan) containerToAdd(sidecar int, name string) *containerAddition {
	for i := range p.containers {
		if c := &p.containers[i]; c.sidecar == sidecar && c.name == name {
			return c
		}
	}
	return nil
}
