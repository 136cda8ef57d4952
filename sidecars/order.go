package sidecars

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule: sidecars are injected in the order in which the Pod names them; where an entry says `after`, those it names come
// before it, and nothing else moves. Entries that conflict are refused together.
// Reads: the request.
// Adds: nothing.
// Golden: order-declared, order-after, order-after-absent, conflicts-with.
func (r *request) sort(c *Catalog) {
	var sorted []*Entry
	begun := map[*Entry]bool{} // entries that wait for one another, in a catalog that was not loaded, end here
	var place func(e *Entry)
	place = func(e *Entry) {
		if begun[e] {
			return
		}
		begun[e] = true
		for _, name := range e.Spec.Order.After {
			if other := c.Entry(r.ns.Name, name); other != nil && slices.Contains(r.entries, other) {
				place(other)
			}
		}
		sorted = append(sorted, e)
	}
	for _, e := range r.entries {
		place(e)
	}
	r.entries = sorted
	for i, e := range sorted {
		r.names[i] = e.Name
	}
}

func (p *plan) checkConflictsWith() {
	for _, s := range p.sidecars {
		for _, name := range s.entry.Spec.Order.ConflictsWith {
			if p.sidecar(name) != nil {
				p.fail(Conflict, field.Invalid(p.req.injectPath(), s.entry.Name, "cannot be on one Pod with "+name))
			}
		}
	}
}
