package sidecars

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// TestShapesAreTheTypes compares the shapes of a catalog entry with the Go types, field by field.
func TestShapesAreTheTypes(t *testing.T) {
	compareShape(t, "spec", specShape(), reflect.TypeFor[v1alpha1.SidecarSpec](), map[reflect.Type]bool{})
	meta := map[string]reflect.Type{}
	collect(meta, reflect.TypeFor[metav1.ObjectMeta]())
	if diff := cmp.Diff(slices.Sorted(maps.Keys(meta)), slices.Sorted(maps.Keys(entryShape().fields["metadata"].fields))); diff != "" {
		t.Errorf("metadata: fields (-type +shape)\n%s", diff)
	}
	fields := slices.Sorted(maps.Keys(entryShape().fields))
	if diff := cmp.Diff([]string{"apiVersion", "kind", "metadata", "spec", "status"}, fields); diff != "" {
		t.Error(diff)
	}
}

// TestShapesAreAsLongAsTheDefinitionsSay compares the bounds on lengths with those of the CRD.
func TestShapesAreAsLongAsTheDefinitionsSay(t *testing.T) {
	var definition struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema schema }
			}
		}
	}
	text, err := os.ReadFile("../api/crds/pillion.dev_clustersidecars.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	spec := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	if n := compareBounds(t, "spec", &spec, specShape()); n < 40 {
		t.Errorf("%d bounds were compared", n)
	}
}

type schema struct {
	MaxItems, MaxLength, MaxProperties int
	Properties                         map[string]schema
	Items, AdditionalProperties        *schema
}

// patterned are texts that the core bounds by more than their length.
var patterned = regexp.MustCompile(`(^|\.)name$`)

// compareBounds gives how many bounds there are.
func compareBounds(t *testing.T, at string, d *schema, s *shape) int {
	t.Helper()
	if s == nil {
		return 0
	}
	n := 0
	if most := max(d.MaxItems, d.MaxLength, d.MaxProperties); !patterned.MatchString(at) || strings.HasPrefix(at, "spec.appEnv") {
		if most != s.most {
			t.Errorf("%s: the CRD takes %d, the shape %d", at, most, s.most)
		}
		if most > 0 {
			n++
		}
	}
	for name, below := range d.Properties {
		n += compareBounds(t, at+"."+name, &below, s.fields[name])
	}
	if d.Items != nil {
		n += compareBounds(t, at+"[]", d.Items, s.items)
	}
	if d.AdditionalProperties != nil {
		n += compareBounds(t, at+"{}", d.AdditionalProperties, s.values)
	}
	return n
}

func compareShape(t *testing.T, at string, s *shape, typ reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	if s == nil {
		t.Errorf("%s: there is no shape for %s", at, typ)
		return
	}
	switch typ {
	case reflect.TypeFor[v1alpha1.Value](), reflect.TypeFor[v1alpha1.Values]():
		if s.wanted() != "a string, number or boolean or a list" {
			t.Errorf("%s: wants %s", at, s.wanted())
		}
		return
	case reflect.TypeFor[v1alpha1.Object]():
		if s.want != "an object" || !s.open {
			t.Errorf("%s: wants %s", at, s.want)
		}
		return
	case reflect.TypeFor[v1alpha1.Line]():
		if s.want != "a string" || s.or == nil {
			t.Fatalf("%s: wants %s", at, s.wanted())
		}
		s = s.or
	}
	switch typ.Kind() {
	case reflect.Pointer:
		compareShape(t, at, s, typ.Elem(), seen)
	case reflect.Slice:
		compareShape(t, at+"[]", s.items, typ.Elem(), seen)
	case reflect.Map:
		compareShape(t, at+"{}", s.values, typ.Elem(), seen)
	case reflect.Struct:
		if seen[typ] {
			return
		}
		seen[typ] = true
		compareFields(t, at, s, typ, seen)
	default:
		want := map[reflect.Kind]string{reflect.String: "a string", reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Int64: "a whole number"}[typ.Kind()]
		if s.want != want {
			t.Errorf("%s: wants %s, the type is %s", at, s.want, typ)
		}
	}
}

func compareFields(t *testing.T, at string, s *shape, typ reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	types := map[string]reflect.Type{}
	collect(types, typ)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(types)), slices.Sorted(maps.Keys(s.fields))); diff != "" {
		t.Errorf("%s: fields (-type +shape)\n%s", at, diff)
	}
	for name, fieldType := range types {
		compareShape(t, at+"."+name, s.fields[name], fieldType, seen)
	}
	if _, ok := typ.FieldByName("Body"); ok != s.open {
		t.Errorf("%s: open is %t", at, s.open)
	}
}

// collect gathers the fields by the names that they have in JSON.
func collect(into map[string]reflect.Type, typ reflect.Type) {
	for f := range fieldsOf(typ) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Name == "Body":
		case strings.Contains(f.Tag.Get("json"), "inline"):
			collect(into, f.Type)
		case tag == "":
			into[strings.ToLower(f.Name[:1])+f.Name[1:]] = f.Type
		default:
			into[tag] = f.Type
		}
	}
}

func fieldsOf(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}
