package sidecars

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule: the node helper redirects a Pod's traffic to one proxy at most, and never that of the node, whose network a Pod on
// the host network has. That proxy starts before all other sidecars, whatever their order: what one that came earlier dials,
// and the kubelet's probes of it, would meet nobody, and it would never have started.
// Reads: spec.hostNetwork.
// Adds: nothing but what node.go does.
// Golden: node-redirect, node-redirect-off, node-redirect-first, node-redirect-refused.
func (p *plan) redirects(s *sidecar) bool {
	if !s.entry.redirects(s.values) {
		return false
	}
	if p.helper().Absent {
		p.fail(Conflict, field.Invalid(p.req.injectPath(), s.entry.Name, "sidecar "+s.entry.Name+" has the Pod's traffic redirected, for which the cluster would need the node helper"))
	}
	if p.pod.Spec.HostNetwork {
		p.fail(Conflict, field.Invalid(field.NewPath("spec", "hostNetwork"), true, "sidecar "+s.entry.Name+" would have the node's traffic redirected"))
	}
	earlier := true
	for _, o := range p.sidecars {
		if o == s {
			earlier = false
			continue
		}
		if (earlier || len(o.missing) == 0) && o.entry.redirects(o.values) {
			p.fail(Conflict, field.Invalid(p.req.injectPath(), s.entry.Name, "sidecars "+o.entry.Name+" and "+s.entry.Name+" would both have the Pod's traffic redirected to them"))
		}
	}
	return true
}

// redirects reports whether the entry asks for a redirect at these values.
func (e *Entry) redirects(values []value) bool {
	return e.Spec.Node != nil && e.Spec.Node.Redirect != nil && e.asks.redirect.holds(values)
}

// startOrder gives the places of the plan's sidecars in the order in which they start: that of the request, but for the one to
// which the Pod's traffic is redirected.
func (p *plan) startOrder() []int {
	order := make([]int, 0, len(p.sidecars))
	for i, s := range p.sidecars {
		if s.entry.redirects(s.values) {
			order = slices.Insert(order, 0, i)
			continue
		}
		order = append(order, i)
	}
	return order
}
