package sidecars_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// layered parses an entry as the API server gives it; its image says where it comes from.
func layered(t *testing.T, namespace, name, image string) *sidecars.Entry {
	t.Helper()
	kind, place := v1alpha1.KindClusterSidecar, ""
	if namespace != "" {
		kind, place = v1alpha1.KindSidecar, `,"namespace":"`+namespace+`"`
	}
	e, errs := sidecars.Parse([]byte(`{"apiVersion":"pillion.dev/v1alpha1","kind":"` + kind + `","metadata":{"name":"` + name + `"` + place + `},"spec":{"containers":[
		{"name":"` + name + `","image":"` + image + `","resources":{"requests":{"cpu":"10m","memory":"16Mi"},"limits":{"cpu":"100m","memory":"32Mi"}}}]}}`))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return e
}

// TestCatalogKeepsNamespacesApart asks from three Namespaces for names that the cluster, one or two of them, or nobody has.
func TestCatalogKeepsNamespacesApart(t *testing.T) {
	embedded := layered(t, "", "proxy", "proxy:embedded")
	embedded.Layer = sidecars.LayerEmbedded
	catalog := sidecars.Assemble([]*sidecars.Entry{
		embedded, layered(t, "", "proxy", "proxy:cluster"), layered(t, "", "shared", "shared:cluster"),
		layered(t, "a", "own", "own:a"), layered(t, "b", "own", "own:b"), layered(t, "a", "only-a", "only-a:a"),
		layered(t, "a", "shared", "shared:a"), layered(t, "a", "broken", "broken:a"), layered(t, "b", "half", "half:b"),
	}, map[sidecars.Key]string{{Name: "broken"}: "spec.x: is wrong", {Namespace: "b", Name: "half"}: "spec.y: is wrong"})
	for _, c := range []struct {
		namespace, name, image, refusal string
	}{
		{"a", "proxy", "proxy:cluster", ""},
		{"a", "own", "own:a", ""},
		{"b", "own", "own:b", ""},
		{"c", "own", "", "no such sidecar"},
		{"a", "only-a", "only-a:a", ""},
		{"b", "only-a", "", "no such sidecar"},
		{"a", "shared", "shared:cluster", ""},
		{"a", "broken", "", "the catalog's entry has a mistake: spec.x: is wrong"},
		{"c", "broken", "", "the catalog's entry has a mistake: spec.x: is wrong"},
		{"b", "half", "", "the catalog's entry has a mistake: spec.y: is wrong"},
		{"a", "half", "", "no such sidecar"},
		{"b", "a/own", "", "no such sidecar"},
		{"b", "own.a", "", "no such sidecar"},
	} {
		t.Run(c.namespace+" asks for "+c.name, func(t *testing.T) {
			pod := `{"metadata":{"name":"p","annotations":{"pillion.dev/inject":"` + c.name + `"}},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`
			res, after, err := run(catalog, []byte(pod), &sidecars.Namespace{Name: c.namespace})
			if err != nil {
				t.Fatal(err)
			}
			if c.refusal != "" {
				text := ""
				for _, e := range res.Errors {
					text += e.Error()
				}
				if res.Reason != sidecars.UnknownSidecar || !strings.Contains(text, c.refusal) {
					t.Errorf("is %s, %s: %s", res.Outcome, res.Reason, text)
				}
				if other := "only-a"; c.name != other && c.namespace != "a" && strings.Contains(text, other) {
					t.Errorf("tells of another Namespace's entries: %s", text)
				}
				return
			}
			if !strings.Contains(string(after), `"`+c.image+`"`) || strings.Count(string(after), `"image"`) != 2 {
				t.Errorf("want %s: %s", c.image, after)
			}
		})
	}
	for namespace, want := range map[string][]string{"": {"proxy", "shared"}, "a": {"only-a", "own", "proxy", "shared"}, "b": {"own", "proxy", "shared"}, "c": {"proxy", "shared"}} {
		if diff := cmp.Diff(want, catalog.Names(namespace)); diff != "" {
			t.Errorf("names of %q (-want +got)\n%s", namespace, diff)
		}
	}
	if !slices.IsSorted(catalog.Names("a")) || len(catalog.All()) != 7 {
		t.Errorf("%d entries", len(catalog.All()))
	}
}

// TestRevisionOfACatalogIsOfEveryEntry changes one entry after the other.
func TestRevisionOfACatalogIsOfEveryEntry(t *testing.T) {
	seen := map[string]bool{}
	for _, images := range [][3]string{{"x", "x", "x"}, {"y", "x", "x"}, {"x", "y", "x"}, {"x", "x", "y"}} {
		seen[sidecars.NewCatalog(layered(t, "", "one", images[0]), layered(t, "a", "two", images[1]), layered(t, "b", "two", images[2])).Revision()] = true
	}
	if len(seen) != 4 {
		t.Errorf("4 catalogs have %d revisions", len(seen))
	}
}
