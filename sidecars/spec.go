package sidecars

import "k8s.io/apimachinery/pkg/util/validation/field"

// Rule: a Pod without containers, such as a template without a spec, gets no sidecar: it is no Pod yet, and a patch might
// not apply to it.
// Reads: spec.containers.
// Adds: nothing.
// Golden: no-containers.
func (p *plan) checkSpec() {
	if len(p.pod.Spec.Containers) == 0 {
		p.fail(Conflict, field.Required(field.NewPath("spec", "containers"), "a Pod without containers gets no sidecar"))
	}
}
