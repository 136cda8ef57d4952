// Package examples holds what a user would write, one case a file; those in refused/ are not admitted, and say why.
package examples

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v3"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/pillion-dev/pillion/sidecars"
)

// document is one object of a file.
type document struct {
	file string
	// object is the whole; pod the Pod or pod template in it, nil where it has none.
	object, pod []byte
	kind        struct {
		APIVersion, Kind string
		Metadata         struct {
			Name, Namespace     string
			Labels, Annotations map[string]string
		}
	}
}

func TestExamplesAreInjected(t *testing.T) {
	docs := documents(t, "*.yaml")
	folders, err := filepath.Glob("*/README.md") // each a composition, with what to type and what to see
	if err != nil {
		t.Fatal(err)
	}
	for _, readme := range folders {
		docs = append(docs, documents(t, filepath.Join(filepath.Dir(readme), "*.yaml"))...)
	}
	namespaces := map[string]*sidecars.Namespace{"": {Name: "demo"}}
	for _, d := range docs {
		if m := d.kind.Metadata; d.kind.Kind == "Namespace" {
			namespaces[m.Name] = &sidecars.Namespace{Name: m.Name, Labels: m.Labels, Annotations: m.Annotations}
		}
	}
	for _, d := range docs {
		decodes(t, d)
		if d.pod == nil {
			continue
		}
		res := answer(t, d, namespaces[d.kind.Metadata.Namespace])
		if res.Outcome == sidecars.Skipped && filepath.Dir(d.file) != "." {
			continue // what a composition needs besides
		}
		if res.Outcome != sidecars.Injected {
			t.Errorf("%s: %s is %s: %v", d.file, d.kind.Metadata.Name, res.Outcome, res.Errors)
		}
		for _, w := range res.Warnings {
			t.Errorf("%s: warning %s", d.file, w)
		}
	}
}

// TestRefusedExamplesSayWhy holds the comment that a refused example begins with to the refusal.
func TestRefusedExamplesSayWhy(t *testing.T) {
	for _, d := range documents(t, "refused/*.yaml") {
		decodes(t, d)
		res := answer(t, d, &sidecars.Namespace{Name: "demo"})
		if res.Outcome != sidecars.Denied {
			t.Fatalf("%s: is %s, want %s", d.file, res.Outcome, sidecars.Denied)
		}
		said := reasons(t, d.file)
		if len(said) != len(res.Errors) {
			t.Errorf("%s gives %d reasons, the refusal %d: %v", d.file, len(said), len(res.Errors), res.Errors)
			continue
		}
		for i, e := range res.Errors {
			if !strings.HasPrefix(e.Error(), said[i]) {
				t.Errorf("%s says\n%s\nthe refusal begins otherwise:\n%s", d.file, said[i], e)
			}
		}
	}
}

// reasons reads the list in a file's first comment: how each error of the refusal begins.
func reasons(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(text), "\napiVersion:")
	joined := regexp.MustCompile(`\n#\s+`).ReplaceAllString(comment, " ")
	return strings.Split(joined, " - ")[1:]
}

func answer(t *testing.T, d *document, ns *sidecars.Namespace) *sidecars.Result {
	t.Helper()
	pod, err := sidecars.ReadPod(d.pod)
	if err != nil {
		t.Fatalf("%s: %v", d.file, err)
	}
	return sidecars.Inject(sidecars.Builtin(), pod, ns)
}

// decodes checks that an object is a valid one of Kubernetes, with no field that it does not know.
func decodes(t *testing.T, d *document) {
	t.Helper()
	strict := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, serializer.SerializerOptions{Strict: true})
	if _, _, err := strict.Decode(d.object, nil, nil); err != nil {
		t.Errorf("%s: %v", d.file, err)
	}
}

func documents(t *testing.T, glob string) []*document {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples %s: %v", glob, err)
	}
	var docs []*document
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
			var v map[string]any
			err := dec.Decode(&v)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			docs = append(docs, newDocument(t, file, v))
		}
	}
	return docs
}

func newDocument(t *testing.T, file string, v map[string]any) *document {
	t.Helper()
	d := &document{file: file}
	var err error
	if d.object, err = json.Marshal(v); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(d.object, &d.kind); err != nil {
		t.Fatal(err)
	}
	at, ok := sidecars.PodPointer(d.kind.APIVersion, d.kind.Kind)
	if !ok {
		return d
	}
	below := any(v)
	for key := range strings.SplitSeq(strings.Trim(at, "/"), "/") {
		if key != "" {
			below = below.(map[string]any)[key]
		}
	}
	if d.pod, err = json.Marshal(below); err != nil {
		t.Fatal(err)
	}
	return d
}
