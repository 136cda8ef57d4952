package sidecars

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: a key below pillion.dev/ that means nothing gets the nearest one that does: an error where it names a parameter of
// a sidecar that is asked for, a warning otherwise.
// A Namespace's default that names no parameter of such a sidecar is a warning, as the Pod's author cannot mend it.
// Reads: metadata.annotations of the Pod and of its Namespace.
// Adds: nothing.
// Golden: unknown-key, unknown-parameter, unknown-parameter-default, unused-parameter.
func (r *request) warnOfKeys(c *Catalog) {
	for _, key := range sortedKeys(r.pod.Metadata.Annotations.Ours) {
		rest, ours := strings.CutPrefix(key, v1alpha1.Prefix)
		if !ours || slices.Contains(knownKeys(), rest) || strings.HasPrefix(key, v1alpha1.AnnotationFilePrefix) {
			continue
		}
		sidecar, parameter, dotted := strings.Cut(rest, ".")
		if !dotted && len(r.warnings) < mostKeys {
			r.warn(CodeUnknownKey, "unknown annotation %s%s", shown(key), hint(rest, knownKeys()[:2], "valid are"))
		}
		if dotted && c != nil {
			r.parameterKey(c, key, sidecar, parameter)
		}
	}
	for _, e := range r.entries {
		r.warnOfDefaults(e)
	}
}

// mostKeys is how many keys are told of, of those that bring a warning and of those that are an error: a tenant may write
// thousands.
const mostKeys = 16

func (r *request) warnOfDefaults(e *Entry) {
	var unknown []string
	for key := range r.ns.Annotations {
		rest, ours := strings.CutPrefix(key, v1alpha1.Prefix)
		sidecar, parameter, _ := strings.Cut(rest, ".")
		if ours && sidecar == e.Name && e.param(parameter) < 0 {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	for _, key := range unknown {
		parameter := strings.TrimPrefix(key, v1alpha1.Prefix+e.Name+".")
		r.warn(CodeUnknownKey, "Namespace annotation %s: no such parameter%s", shown(key), hint(parameter, e.paramNames(), "it has"))
	}
}

func (r *request) parameterKey(c *Catalog, key, sidecar, parameter string) {
	e := c.Entry(r.ns.Name, sidecar)
	asked := slices.Contains(r.names, sidecar)
	switch {
	case !asked && len(r.warnings) >= mostKeys || asked && len(r.errs) >= mostKeys:
	case e == nil:
		r.warn(CodeUnknownKey, "%s: no sidecar %s%s", shown(key), quoted(sidecar), hint(sidecar, c.Names(r.ns.Name), "the catalog has"))
	case !asked:
		r.warn(CodeUnusedKey, "%s has no effect: the Pod does not ask for %s", shown(key), sidecar)
	case e.param(parameter) < 0:
		why := "sidecar " + sidecar + " has no such parameter" + hint(parameter, e.paramNames(), "it has")
		at := annotationPath(v1alpha1.Prefix+sidecar+"."+shown(parameter), FromPod)
		r.fail(BadParameter, field.Invalid(at, quotedIfLong(parameter), why))
	}
}

// shown gives a key as a message has it: quoted where it is long or has control characters, for which the API server would
// drop a warning.
func shown(key string) string {
	if strings.ContainsFunc(key, unicode.IsControl) {
		return quoted(key)
	}
	return quotedIfLong(key)
}

func knownKeys() []string { return []string{"inject", "failure-policy", "status"} }

func (r *request) warn(code, format string, args ...any) {
	r.warnings = append(r.warnings, Warning{code, fmt.Sprintf(format, args...)})
}

func labelSet(m map[string]string) labels.Set { return m }

// hint names the nearest of the valid names, and lists them where they are few.
func hint(got string, valid []string, intro string) string {
	const most = 12
	if len(valid) == 0 {
		return ""
	}
	list := strings.Join(valid[:min(most, len(valid))], ", ")
	if len(valid) > most {
		list += fmt.Sprintf(" and %d more", len(valid)-most)
	}
	if near := nearest(got, valid); near != "" {
		return fmt.Sprintf("; did you mean %q? %s%s %s", near, strings.ToUpper(intro[:1]), intro[1:], list)
	}
	return "; " + intro + " " + list
}

// nearest gives the valid name, all of which are in lower case, at the smallest edit distance, where that is small against
// the name's length.
func nearest(got string, valid []string) string {
	if len(got) > 64 {
		return ""
	}
	got = strings.ToLower(got)
	best, at := "", len(got)/3+2
	for _, v := range valid {
		if d := distance(got, v); d < at {
			best, at = v, d
		}
	}
	return best
}

// distance is the number of inserted, deleted and replaced bytes, and of swapped neighbours, between two short names
// (optimal string alignment).
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[(i-1)%3], rows[i%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}
