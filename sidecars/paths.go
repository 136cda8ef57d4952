package sidecars

import "k8s.io/apimachinery/pkg/util/validation/field"

// Rule: one container mounts one thing at one path; where entries would mount two into a container of ours, both are named.
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
		if m := mounts[i].MountPath; m == "/" || m == "" || m[0] != '/' {
			p.fail(BadParameter, field.Invalid(p.req.injectPath(), quotedIfLong(m), "is no path to mount at in container "+c.name))
		}
	}
}
