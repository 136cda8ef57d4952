package sidecars

import "k8s.io/apimachinery/pkg/util/validation/field"

// Rule: an entry and its parameters say in words what they are: `pillion catalog list` and every refusal show it.
// Reads: descriptions.
// Golden: none, see TestLint.
func (l *linter) words() {
	spec := field.NewPath("spec")
	if l.entry.Spec.Description == "" {
		l.warn(spec.Child("description"), CodeNoDescription, "the entry has none")
	}
	for i := range l.entry.params {
		if p := &l.entry.params[i]; p.decl.Description == "" {
			l.warn(spec.Child("parameters").Key(p.name).Child("description"), CodeParameterNoDescription, "the parameter has none")
		}
	}
}
