package sidecars

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Lint checks an entry as it would be in the catalog, which may hold an older one of its key: that one does not count. What
// makes the entry unfit is an error; what may be meant is a warning, with one of LintCodes, that starts with a field's path.
// Errors are those of Prove and of the rules in lint*.go. It is safe for concurrent use, and takes milliseconds however
// many entries the catalog has: the first call for a catalog gathers what entries can meet over.
func (c *Catalog) Lint(e *Entry) (errs field.ErrorList, warnings []Warning) {
	l := c.lint(e)
	for _, f := range l.findings {
		warnings = append(warnings, f.Warning)
	}
	return l.errs, warnings
}

// linter gathers what the rules find.
type linter struct {
	catalog *Catalog
	entry   *Entry
	// proof holds the values that the entry is proved with.
	proof    *proof
	errs     field.ErrorList
	findings []finding
}

// finding is a warning and its place.
type finding struct {
	at *field.Path
	Warning
}

func (c *Catalog) lint(e *Entry) *linter {
	l := &linter{catalog: c, entry: e, proof: newProof(e)}
	l.errs = l.proof.run()
	l.names()     // lintnames.go
	l.level()     // lintlevel.go
	l.order()     // lintorder.go
	l.meetings()  // lintmeet.go
	l.images()    // lintimage.go
	l.resources() // lintresources.go
	l.selector()  // lintselector.go
	l.placement() // lintplacement.go
	l.words()     // lintwords.go
	if len(l.errs) == 0 {
		l.fixtures() // lintfixtures.go
	}
	l.errs = sortErrors(l.errs)
	return l
}

func (l *linter) fail(err *field.Error) { l.errs = append(l.errs, err) }

func (l *linter) warn(at *field.Path, code, format string, args ...any) {
	l.findings = append(l.findings, finding{at, Warning{code, at.String() + ": " + fmt.Sprintf(format, args...)}})
}

// sees gives the entry that Pods which may ask for this one get by a name: of the cluster's entries alone where this is one.
func (l *linter) sees(name string) *Entry {
	cluster := l.catalog.entries[Key{Name: name}]
	switch {
	case l.entry.Namespace == "" && name == l.entry.Name:
		return l.entry
	case cluster != nil || l.entry.Namespace == "":
		return cluster
	case name == l.entry.Name:
		return l.entry
	}
	return l.catalog.entries[Key{l.entry.Namespace, name}]
}

// meets reports whether some Pod could ask for this entry and another at once.
func (l *linter) meets(o *Entry) bool {
	e := l.entry
	switch {
	case o.Name == e.Name: // the same, or one of them wins
		return false
	case o.Namespace != "" && e.Namespace != "" && o.Namespace != e.Namespace:
		return false
	case o.Namespace != "" && l.catalog.clusterHas(o.Name):
		return false
	}
	return !slices.Contains(e.Spec.Order.ConflictsWith, o.Name) && !slices.Contains(o.Spec.Order.ConflictsWith, e.Name)
}

// clusterHas reports whether the cluster has an entry of that name, be it one that cannot be used.
func (c *Catalog) clusterHas(name string) bool {
	return c.entries[Key{Name: name}] != nil || c.leftOut[Key{Name: name}] != ""
}

// named gives an entry as its author knows it.
func named(e *Entry) string {
	if e.Namespace == "" {
		return e.Kind() + " " + e.Name
	}
	return e.Kind() + " " + e.Name + " of Namespace " + e.Namespace
}
