package sidecars

import (
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule: one container mounts one thing at one path; where entries would mount two into a container of ours, both are named.
// A path that a parameter makes is one that Kubernetes takes.
// Reads: nothing.
// Adds: nothing.
// Golden: path-conflict.
func (p *plan) checkMountPaths(s *sidecar, c *container, mounts []Mount) {
	for i := range mounts {
		for j := range i {
			if mounts[i].MountPath != mounts[j].MountPath {
				continue
			}
			why := "container " + c.name + " of sidecar " + s.entry.Name + " would mount volumes " + mounts[j].Name + " and " + mounts[i].Name + " there"
			p.fail(Conflict, duplicate(p.req.injectPath(), mounts[i].MountPath, why))
		}
	}
}

// checkMount checks the paths of one of an entry's own mounts.
func (p *plan) checkMount(s *sidecar, c *container, m *mount) {
	if at := m.mountPath.text(s.values); !mountable(at) {
		why := "container " + c.name + " cannot mount a volume at this path: want a clean absolute path without a colon"
		p.fail(BadParameter, field.Invalid(p.settingPath(s, m.mountPath), quotedIfLong(at), why))
	}
	if sub := m.subPath.text(s.values); sub != "" && (path.IsAbs(sub) || path.Clean(sub) != sub || slices.Contains(strings.Split(sub, "/"), "..")) {
		why := "container " + c.name + " cannot mount this path of a volume: want a clean relative path without .."
		p.fail(BadParameter, field.Invalid(p.settingPath(s, m.subPath), quotedIfLong(sub), why))
	}
}
