package sidecars

import "k8s.io/apimachinery/pkg/util/validation/field"

// Rule: an entry that needs to see the app's processes gets one PID namespace for the Pod. An explicit false is the
// author's word and a conflict, as is the node's PID namespace, which a Pod cannot have as well.
// Reads: spec.shareProcessNamespace, spec.hostPID.
// Adds: spec.shareProcessNamespace.
// Golden: share-processes, share-processes-already, share-processes-refused, share-processes-host-pid.
func (p *plan) shareProcesses() {
	share := p.pod.Spec.ShareProcessNamespace
	for _, s := range p.sidecars {
		if !s.entry.Spec.ShareProcessNamespace || len(s.missing) == 0 {
			continue
		}
		switch {
		case share != nil && !*share:
			p.fail(Conflict, field.Invalid(field.NewPath("spec", "shareProcessNamespace"), false, "sidecar "+s.entry.Name+" needs the app's processes in its PID namespace"))
		case share == nil && p.pod.Spec.HostPID:
			p.fail(Conflict, field.Invalid(field.NewPath("spec", "hostPID"), true, "sidecar "+s.entry.Name+" needs shareProcessNamespace, which excludes hostPID"))
		case share == nil:
			p.shareProcessNamespace = true
		}
	}
}
