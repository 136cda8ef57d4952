package sidecars

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: a sidecar that works on the processes of one container of the app is put into that container's PID namespace by the
// node helper. Where the Pod has one PID namespace for all, it is there already; where the cluster has no helper, the Pod gets
// one if the entry says so.
// Reads: names in spec.containers, spec.shareProcessNamespace, spec.hostPID.
// Adds: spec.shareProcessNamespace, where there is no helper.
// Golden: node-join, node-join-nobody, node-join-shared, node-join-host-pid.
func (p *plan) joins(s *sidecar) string {
	target := s.entry.asks.join.text(s.values)
	if target == "" {
		return ""
	}
	if !slices.ContainsFunc(p.pod.Spec.Containers, func(c Container) bool { return c.Name == target && !p.ours(target) }) {
		var names []string
		for i := range p.pod.Spec.Containers {
			names = append(names, p.pod.Spec.Containers[i].Name)
		}
		p.fail(BadParameter, field.Invalid(p.settingPath(s, s.entry.asks.join), quotedIfLong(target),
			"sidecar "+s.entry.Name+" is to be in this container's PID namespace, but there is no such container"+hint(target, names, "the Pod has")))
		return ""
	}
	if p.pod.Spec.HostPID {
		p.fail(Conflict, field.Invalid(field.NewPath("spec", "hostPID"), true, "sidecar "+s.entry.Name+" is to be in the PID namespace of container "+target+" and no other"))
	}
	share := p.pod.Spec.ShareProcessNamespace
	switch {
	case share != nil && *share || p.shareProcessNamespace:
		return ""
	case !p.helper().Absent:
		return target
	case s.entry.Spec.Node.WithoutHelper != v1alpha1.WithoutHelperShare:
		p.fail(Conflict, field.Invalid(p.req.injectPath(), s.entry.Name, "sidecar "+s.entry.Name+" is to be in the PID namespace of container "+target+", for which the cluster would need the node helper"))
	case share != nil:
		p.fail(Conflict, field.Invalid(field.NewPath("spec", "shareProcessNamespace"), false, "sidecar "+s.entry.Name+" needs the app's processes in its PID namespace, and the cluster has no node helper"))
	default:
		p.shareProcessNamespace = true
	}
	return ""
}
