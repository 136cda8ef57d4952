package sidecars

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule: entries do not wait for one another in a circle, and what an entry names is there. An entry of the cluster is
// looked at beside the cluster's alone: what a Namespace writes must not keep it out.
// Reads: spec.order, spec.volumes[].share[].sidecars.
// Golden: none, see TestLint.
func (l *linter) order() {
	at, order := field.NewPath("spec", "order"), &l.entry.Spec.Order
	if cycle := l.cycle(l.entry, nil, map[*Entry]bool{}); cycle != nil {
		l.fail(cycleError(cycle))
	}
	l.mustExist(at.Child("after"), order.After)
	l.mustExist(at.Child("conflictsWith"), order.ConflictsWith)
	for i := range l.entry.Spec.Volumes {
		for j := range l.entry.Spec.Volumes[i].Share {
			s := &l.entry.Spec.Volumes[i].Share[j]
			l.mustExist(field.NewPath("spec", "volumes").Index(i).Child("share").Index(j).Child("sidecars"), s.Sidecars)
		}
	}
}

// cycle gives the way from an entry back to the one that is checked; done are those from which every way was gone.
func (l *linter) cycle(e *Entry, way []*Entry, done map[*Entry]bool) []*Entry {
	if e == l.entry && len(way) > 0 {
		return slices.Clone(way)
	}
	if done[e] {
		return nil
	}
	done[e] = true
	for _, name := range e.Spec.Order.After {
		if next := l.sees(name); next != nil {
			if cycle := l.cycle(next, append(way, e), done); cycle != nil {
				return cycle
			}
		}
	}
	return nil
}

func (l *linter) mustExist(at *field.Path, names []string) {
	for i, name := range names {
		if l.sees(name) != nil || l.catalog.LeftOut(l.entry.Namespace, name) != "" {
			continue
		}
		if l.entry.Namespace == "" && len(l.catalog.index().byName[name]) > 0 {
			continue // some Namespace has it
		}
		l.warn(at.Index(i), CodeNoSuchSidecar, "there is no sidecar %s%s", quotedIfLong(name), hint(name, l.catalog.Names(l.entry.Namespace), "the catalog has"))
	}
}
