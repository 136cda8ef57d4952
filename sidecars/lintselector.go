package sidecars

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule: a namespaceSelector that contradicts itself offers the entry to nobody.
// Reads: spec.namespaceSelector.
// Golden: none, see TestLint.
func (l *linter) selector() {
	requirements, _ := l.entry.selector.Requirements()
	byKey := map[string][]labels.Requirement{}
	for _, r := range requirements {
		byKey[r.Key()] = append(byKey[r.Key()], r)
	}
	for _, key := range sortedKeys(byKey) {
		if contradict(byKey[key]) {
			l.warn(field.NewPath("spec", "namespaceSelector"), CodeSelectsNothing, "matches no Namespace: it asks of label %s what cannot be", key)
		}
	}
}

// contradict reports whether no label meets all requirements, which are of one key.
func contradict(list []labels.Requirement) bool {
	var allowed sets.Set[string] // nil: any
	excluded := sets.New[string]()
	exists, absent := false, false
	for i := range list {
		values := sets.New(list[i].ValuesUnsorted()...)
		switch list[i].Operator() {
		case selection.In, selection.Equals, selection.DoubleEquals:
			if allowed != nil {
				values = values.Intersection(allowed)
			}
			allowed, exists = values, true
		case selection.NotIn, selection.NotEquals:
			excluded = excluded.Union(values)
		case selection.Exists:
			exists = true
		case selection.DoesNotExist:
			absent = true
		}
	}
	none := allowed != nil && !slices.ContainsFunc(allowed.UnsortedList(), func(v string) bool { return !excluded.Has(v) })
	return exists && absent || none
}
