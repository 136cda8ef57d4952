package apiserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/test/golden"
)

// TestWhatTheServerRefusesTheCoreRefuses makes every small change to goodEntry: what a definition refuses is a mistake to the
// core as well, and what it takes is stored as it was written.
func TestWhatTheServerRefusesTheCoreRefuses(t *testing.T) {
	useDefinitions(t)
	tree, ok := decoded(t, toJSON(t, goodEntry)).(map[string]any)
	if !ok {
		t.Fatal("the good entry is no object")
	}
	refused, taken := 0, 0
	for _, spec := range variants(tree["spec"], false) {
		object, err := json.Marshal(map[string]any{"apiVersion": tree["apiVersion"], "kind": tree["kind"], "metadata": tree["metadata"], "spec": spec})
		if err != nil {
			t.Fatal(err)
		}
		a := ask(t, http.MethodPost, clusterPath+dryRun, "", object)
		was, errs := parse(t, object)
		if a.Status != http.StatusCreated {
			refused++
			if len(errs) == 0 {
				t.Errorf("%s\nthe API server refuses it and the core does not: %d %s", object, a.Status, a.Message())
			}
			continue
		}
		taken++
		is, isErrs := parse(t, withoutManagedFields(t, a.Body)) // those hold names, which the core looks for
		if diff := gocmp.Diff(errs.ToAggregate(), isErrs.ToAggregate(), gocmp.Transformer("text", func(err error) string { return fmt.Sprint(err) })); diff != "" {
			t.Errorf("%s\nthe core reads it another way once it was stored (-written +stored)\n%s", object, diff)
		}
		if was != nil && is != nil && was.Revision != is.Revision {
			t.Errorf("%s\nis stored as\n%s", object, a.Body)
		}
	}
	t.Logf("%d changes were refused, %d taken", refused, taken)
	if refused < 500 || taken < 500 {
		t.Errorf("%d changes were refused, %d taken: want many of both", refused, taken)
	}
}

// variants gives a value with every small change: each part removed, replaced or, in a list, there twice, and members of
// Bounds added to whatever declares a parameter.
func variants(v any, declaration bool) []any {
	var out []any
	switch v := v.(type) {
	case map[string]any:
		with := func(k string, changed any) {
			m := maps.Clone(v)
			m[k] = changed
			out = append(out, m)
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			m := maps.Clone(v)
			delete(m, k)
			out = append(out, m)
			for _, changed := range append(variants(v[k], declaration || k == "parameters"), replacements()...) {
				with(k, changed)
			}
		}
		for k, values := range additions() {
			for _, added := range values {
				if declaration && v[k] == nil {
					with(k, added)
				}
			}
		}
	case []any:
		for i := range v {
			out = append(out, slices.Delete(slices.Clone(v), i, i+1), append(slices.Clone(v), v[i]))
			for _, changed := range append(variants(v[i], declaration), replacements()...) {
				l := slices.Clone(v)
				l[i] = changed
				out = append(out, l)
			}
		}
	}
	return out
}

func replacements() []any {
	return []any{"", "x", 7, true, []any{}, map[string]any{}}
}

func additions() map[string][]any {
	return map[string][]any{
		"required": {true, false}, "default": {"/x", []any{"/x"}}, "example": {"x"}, "pattern": {"", "[a-z]+"}, "enum": {[]any{}, []any{"x"}},
		"maxLength": {0, 5}, "minimum": {"", "1"}, "maximum": {"", "9"}, "schemes": {[]any{}, []any{"http"}}, "maxItems": {0, 3},
		"items": {map[string]any{"type": "string"}, map[string]any{"fields": map[string]any{}, "schemes": []any{"http"}, "minimum": "1"}},
	}
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	v, err := golden.Tree(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
