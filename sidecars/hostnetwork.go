package sidecars

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: Windows Pods, and Pods on the host network unless the entry allows it, get no sidecar: one that asks itself is
// refused, one whose Namespace asks is left alone.
// Reads: spec.hostNetwork, spec.os.name.
// Adds: nothing.
// Golden: host-network, host-network-allowed, host-network-default, windows, windows-default.
func (p *plan) checkKind() {
	if p.pod.windows() {
		p.fail(Conflict, field.Invalid(field.NewPath("spec", "os", "name"), p.pod.Spec.OS.Name, "sidecars are Linux containers"))
	}
	if !p.pod.Spec.HostNetwork {
		return
	}
	for _, s := range p.sidecars {
		if s.entry.Spec.HostNetwork != v1alpha1.HostNetworkAllowed {
			why := "sidecar " + s.entry.Name + " would listen on the node's addresses"
			p.fail(Conflict, field.Invalid(field.NewPath("spec", "hostNetwork"), true, why))
		}
	}
}

// skipDefault says why a Namespace's default leaves this Pod alone.
func (r *request) skipDefault() Reason {
	switch {
	case r.pod.windows():
		return WindowsDefault
	case r.pod.Spec.HostNetwork:
		return HostNetworkDefault
	}
	return ReasonNone
}

func (p *Pod) windows() bool { return p.Spec.OS != nil && p.Spec.OS.Name == "windows" }
