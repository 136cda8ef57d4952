package sidecars

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
