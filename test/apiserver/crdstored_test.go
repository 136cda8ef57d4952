package apiserver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/golden"
	"github.com/pillion-dev/pillion/test/serving"
)

// TestEntriesAreStoredAsTheyAre writes every entry of the embedded and the golden catalog, by POST and by server-side apply,
// and reads from the API server what was loaded from the file.
func TestEntriesAreStoredAsTheyAre(t *testing.T) {
	useDefinitions(t)
	files, err := golden.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := sidecars.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	documents := documentsOf(t, files)
	for _, want := range catalog.All() {
		t.Run(want.Name, func(t *testing.T) {
			object := documents[want.Key()]
			created := ask(t, http.MethodPost, clusterPath+"?fieldValidation=Strict", "", object)
			wantStatus(t, created, http.StatusCreated)
			t.Cleanup(func() { remove(t, clusterPath+"/"+want.Name) })
			wantEntry(t, want, v1alpha1.KindClusterSidecar, ask(t, http.MethodGet, clusterPath+"/"+want.Name, "", nil))

			mine := bytes.Replace(object, []byte(`"kind":"ClusterSidecar"`), []byte(`"kind":"Sidecar"`), 1)
			path := namespacedPath + "/" + want.Name
			if want.Spec.Node != nil {
				wantStatus(t, ask(t, http.MethodPatch, path+"?fieldManager=test", "application/apply-patch+yaml", mine), http.StatusUnprocessableEntity)
				return
			}
			for range 2 { // the second time changes nothing
				applied := ask(t, http.MethodPatch, path+"?fieldManager=test&fieldValidation=Strict", "application/apply-patch+yaml", mine)
				if applied.Status != http.StatusCreated {
					wantStatus(t, applied, http.StatusOK)
				}
				wantEntry(t, want, v1alpha1.KindSidecar, ask(t, http.MethodGet, path, "", nil))
			}
			t.Cleanup(func() { remove(t, path) })
		})
	}
	if n := len(catalog.All()); n < 20 {
		t.Errorf("there are %d entries, want those of both catalogs", n)
	}
}

// wantEntry reads an entry as the API server gives it and compares it with one from a file.
func wantEntry(t *testing.T, want *sidecars.Entry, kind string, a *serving.Answer) {
	t.Helper()
	wantStatus(t, a, http.StatusOK)
	got, errs := parse(t, a.Body)
	if len(errs) > 0 {
		t.Fatalf("as %s: %v", kind, errs.ToAggregate())
	}
	if got.Kind() != kind || got.Name != want.Name || got.Revision != want.Revision {
		t.Errorf("%s %s at revision %s, want %s %s at %s", got.Kind(), got.Key(), got.Revision, kind, want.Key(), want.Revision)
	}
}

// documentsOf gives the entries of a catalog's files as JSON.
func documentsOf(t *testing.T, files fs.FS) map[sidecars.Key][]byte {
	t.Helper()
	out := map[sidecars.Key][]byte{}
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		for docs := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
			doc, err := docs.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			var is struct {
				Metadata struct{ Namespace, Name string }
			}
			if err != nil || yaml.Unmarshal(doc, &is) != nil {
				t.Fatal(name, err)
			}
			out[sidecars.Key{Namespace: is.Metadata.Namespace, Name: is.Metadata.Name}] = toJSON(t, string(doc))
		}
	}
	return out
}

func toJSON(t *testing.T, text string) []byte {
	t.Helper()
	object, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// TestEntriesFromGoTypes writes what a program makes of the types in api/v1alpha1.
func TestEntriesFromGoTypes(t *testing.T) {
	useDefinitions(t)
	for _, want := range sidecars.Builtin().All() {
		entry := v1alpha1.Sidecar{Spec: *want.Spec}
		path, kind := namespacedPath, v1alpha1.KindSidecar
		entry.Name, entry.Namespace = want.Name, nsEntries
		if want.Spec.Node != nil { // which a Sidecar may not have; the other kind has the same fields
			path, kind, entry.Namespace = clusterPath, v1alpha1.KindClusterSidecar, ""
		}
		entry.APIVersion, entry.Kind = v1alpha1.GroupVersion, kind
		object, err := json.Marshal(&entry)
		if err != nil {
			t.Fatal(err)
		}
		a := ask(t, http.MethodPost, path+dryRun, "", object)
		wantStatus(t, a, http.StatusCreated)
		a.Status = http.StatusOK
		wantEntry(t, want, kind, a)
	}
}

// parse has the core read an entry.
func parse(t *testing.T, object []byte) (e *sidecars.Entry, errs field.ErrorList) {
	t.Helper()
	defer func() {
		if why := recover(); why != nil {
			t.Errorf("the core panics at %s: %v", object, why)
		}
	}()
	return sidecars.Parse(object)
}
