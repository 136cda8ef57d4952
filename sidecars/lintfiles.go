package sidecars

import (
	"errors"
	"io/fs"
	"maps"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// LintFiles lints every entry in the .yaml files of a directory as it would be in the base catalog together with all the
// others. A Sidecar that says no Namespace is taken for one of Namespace default, as it would be without `kubectl -n`. Errors and
// warnings are LoadErrors with file, line and field, in the order of the files; a warning's text starts with its code.
func LintFiles(fsys fs.FS, base *Catalog) (errs, warnings []error) {
	docs, errs := read(fsys)
	entries, leftOut := base.All(), maps.Clone(base.leftOut)
	if leftOut == nil {
		leftOut = map[Key]string{}
	}
	for _, d := range docs {
		delete(leftOut, d.key)
		if d.entry == nil {
			leftOut[d.key] = "it has a mistake in " + d.file
			continue
		}
		d.entry.Layer = LayerCluster
		if d.kind == v1alpha1.KindSidecar {
			d.entry.Layer = LayerNamespace
		}
		entries = append(entries, d.entry)
	}
	c := Assemble(entries, leftOut)
	for _, d := range docs {
		if d.entry == nil {
			continue
		}
		l := c.lint(d.entry)
		errs = append(errs, d.locate(l.errs)...)
		for _, f := range l.findings {
			warnings = append(warnings, &LoadError{File: d.file, Line: d.line + lineOf(d.root, f.at.String()), Err: errors.New(f.Code + ": " + f.Text)})
		}
	}
	return sortedByPlace(errs), sortedByPlace(warnings)
}
