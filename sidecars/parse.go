package sidecars

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Parse reads one entry from JSON, strictly, and compiles it. Use Prove, or Lint, before it is used: what Parse finds is
// wrong at every value of the parameters. The errors have field paths in the document.
func Parse(raw []byte) (*Entry, field.ErrorList) {
	entry, errs, err := decodeEntry(raw)
	if err != nil {
		return nil, field.ErrorList{field.Invalid(nil, quoted(string(raw)), err.Error())}
	}
	if entry == nil {
		return nil, errs
	}
	e, errs := compile(entry, raw, errs)
	if e != nil {
		e.Layer = LayerCluster
		if e.Namespace != "" {
			e.Layer = LayerNamespace
		}
	}
	return e, errs
}

// compile gives the entry, or nil and what is wrong with it beside what is known to be.
func compile(entry *v1alpha1.ClusterSidecar, raw []byte, errs field.ErrorList) (*Entry, field.ErrorList) {
	e, bad := Compile(entry.Name, &entry.Spec)
	slices.SortStableFunc(bad, func(a, b *field.Error) int { return strings.Compare(a.Origin, b.Origin) })
	var document struct{ Spec json.RawMessage } // not the metadata, whose managedFields name every field
	if err := json.Unmarshal(raw, &document); err != nil {
		document.Spec = raw
	}
	known := slices.Clone(errs)
	for _, b := range bad {
		if b.Origin == originUnused {
			known = errs
		}
		if !follows(b, known, document.Spec) {
			errs = append(errs, b)
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	e.Namespace = entry.Namespace
	return e, nil
}

// decodeEntry gives the entry without the parts that are wrong, or nil where the document is of another kind.
func decodeEntry(raw []byte) (*v1alpha1.ClusterSidecar, field.ErrorList, error) {
	v, err := decodeTree(raw)
	if err != nil {
		return nil, nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, nil, errors.New("want an object with apiVersion, kind, metadata and spec, got a " + kindOf(v))
	}
	kinds := []string{v1alpha1.KindClusterSidecar, v1alpha1.KindSidecar}
	if kind, _ := m["kind"].(string); !slices.Contains(kinds, kind) {
		return nil, field.ErrorList{field.NotSupported(field.NewPath("kind"), kind, kinds)}, nil
	}
	left, _, errs := entryShape().check(nil, m)
	if v, _ := m["apiVersion"].(string); v != v1alpha1.GroupVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), v, []string{v1alpha1.GroupVersion}))
	}
	if meta, _ := m["metadata"].(map[string]any); m["kind"] == v1alpha1.KindClusterSidecar && meta["namespace"] != nil {
		errs = append(errs, field.Forbidden(field.NewPath("metadata", "namespace"), "a ClusterSidecar is for the Pods of all Namespaces; a Sidecar is for one"))
	}
	if spec, _ := m["spec"].(map[string]any); m["kind"] == v1alpha1.KindSidecar && spec["node"] != nil {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "node"), "only a ClusterSidecar may ask the node helper"))
	}
	b, err := json.Marshal(left)
	if err != nil {
		return nil, errs, err
	}
	entry := new(v1alpha1.ClusterSidecar)
	return entry, errs, json.Unmarshal(b, entry)
}

func decodeTree(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// follows reports whether a mistake only follows from one that is known: its place was left out, or what uses a parameter
// was.
func follows(e *field.Error, known field.ErrorList, raw []byte) bool {
	for _, k := range known {
		for _, place := range []string{k.Field, k.Origin} {
			rest, below := strings.CutPrefix(e.Field, place)
			if place != "" && below && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				return true
			}
		}
	}
	name, _ := e.BadValue.(string)
	return len(known) > 0 && e.Origin == originUnused && bytes.Count(raw, []byte(name)) > 1
}
