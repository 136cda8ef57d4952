package sidecars_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	yaml "go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// scalars gives every scalar of a Pod by its JSON pointer, without the request; where an annotation is a file, every
// scalar of it as its own program reads it.
func scalars(t *testing.T, catalog *sidecars.Catalog, pod []byte) map[string]string {
	t.Helper()
	v, err := decoded(pod)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	flatten(out, "", v)
	for k, text := range maps.Clone(out) {
		rest, isFile := strings.CutPrefix(k, "/metadata/annotations/"+v1alpha1.AnnotationFilePrefix)
		name, file, _ := strings.Cut(rest, ".")
		switch {
		case isFile:
			delete(out, k)
			for _, f := range catalog.Entry("", name).Spec.Files {
				if f.Name == file {
					flatten(out, "file:"+file, fileTree(t, f.Format, strings.TrimPrefix(text, "text ")))
				}
			}
		case strings.HasPrefix(k, "/metadata/annotations/pillion.dev/") && !strings.HasSuffix(k, "/status"):
			delete(out, k)
		}
	}
	return out
}

// fileTree parses a file as its program does; a file of lines is a list of lines, each a list of words.
func fileTree(t *testing.T, format v1alpha1.FileFormat, text string) any {
	t.Helper()
	var v map[string]any
	var err error
	switch format {
	case v1alpha1.FormatYAML:
		var other map[string]any
		err = yaml.Unmarshal([]byte(text), &v)
		if err == nil {
			err = sigsyaml.UnmarshalStrict([]byte(text), &other)
		}
		a, b := map[string]string{}, map[string]string{}
		flatten(a, "", v)
		flatten(b, "", other)
		if diff := cmp.Diff(a, b); diff != "" && err == nil {
			t.Fatalf("two readers of YAML read\n%s\nin two ways: %s", text, diff)
		}
	case v1alpha1.FormatTOML:
		err = toml.Unmarshal([]byte(text), &v)
	case v1alpha1.FormatJSON:
		err = json.Unmarshal([]byte(text), &v)
	default:
		var lines []any
		for line := range strings.Lines(text) {
			var words []any
			for _, w := range strings.Fields(line) {
				words = append(words, w)
			}
			lines = append(lines, words)
		}
		return lines
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}

func flatten(out map[string]string, at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		out[at] = "object"
		for k, below := range v {
			flatten(out, at+"/"+k, below)
		}
	case []any:
		out[at] = "list"
		for i, below := range v {
			flatten(out, at+"/"+strconv.Itoa(i), below)
		}
	case []map[string]any:
		out[at] = "list"
		for i, below := range v {
			flatten(out, at+"/"+strconv.Itoa(i), below)
		}
	case string:
		out[at] = "text " + v
	default:
		out[at] = fmt.Sprint(v)
		if n, err := strconv.ParseFloat(out[at], 64); err == nil {
			out[at] = strconv.FormatFloat(n, 'g', -1, 64)
		}
	}
}

// differing lists the pointers at which two Pods differ.
func differing(a, b map[string]string) []string {
	var out []string
	for _, at := range slices.Sorted(maps.Keys(a)) {
		if v, ok := b[at]; !ok || v != a[at] {
			out = append(out, at)
		}
	}
	for _, at := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[at]; !ok {
			out = append(out, at)
		}
	}
	return out
}
