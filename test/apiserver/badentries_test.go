package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/test/serving"
)

// TestBadEntriesAreRefusedWhenTheyAreWritten writes every bad entry of the core's tests to the API server: by the CRD or by
// the controller each is refused, and told where it is wrong. The files say where, in their first line.
func TestBadEntriesAreRefusedWhenTheyAreWritten(t *testing.T) {
	startController(t).register(t)
	files, err := filepath.Glob("../../sidecars/testdata/bad/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	byDefinition, made := 0, map[string]bool{}
	for _, file := range files {
		switch filepath.Base(file) {
		case "api-version.yaml", "cluster-in-namespace.yaml": // the API server reads another version, and drops that Namespace
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			want, found := strings.CutPrefix(first, "# field: ")
			if !found {
				t.Fatalf("the first line is %q", first)
			}
			a := writeBad(t, text, made)
			var s metav1.Status
			if err := json.Unmarshal(a.Body, &s); err != nil || a.Status < 400 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			if !strings.Contains(s.Message, "entries.pillion.dev") {
				byDefinition++
			}
			if !tellsPlace(&s, want) {
				t.Errorf("want the place %s:\n%d %s", want, a.Status, s.Message)
			}
		})
	}
	t.Logf("%d entries, %d of them refused by the CRD's own rules", len(files), byDefinition)
}

// writeBad creates an entry, strictly as kubectl does. Nothing is kept where it is taken by mistake.
func writeBad(t *testing.T, text []byte, made map[string]bool) *serving.Answer {
	t.Helper()
	object, err := kyaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
	}
	if err := json.Unmarshal(object, &meta); err != nil {
		t.Fatal(err)
	}
	path := clusterPath
	if meta.Kind == "Sidecar" {
		ns := meta.Metadata.Namespace
		if ns == "" {
			ns = "default"
		}
		if ns != "default" && !made[ns] {
			made[ns] = true
			a := ask(t, http.MethodPost, "/api/v1/namespaces", "", []byte(fmt.Sprintf(`{"metadata":{"name":%q}}`, ns)))
			if a.Status != http.StatusCreated && a.Status != http.StatusConflict {
				t.Fatalf("%d %s", a.Status, a.Message())
			}
		}
		path = "/apis/pillion.dev/v1alpha1/namespaces/" + ns + "/sidecars"
	}
	return ask(t, http.MethodPost, path+"?fieldValidation=Strict&dryRun=All", "", object)
}

// parameterKey is how the core writes the key of a map; the API server puts a dot before it.
var parameterKey = regexp.MustCompile(`parameters\[([a-z][^\]]*)\]`)

// tellsPlace reports whether a refusal names a place or, as a rule of the CRD may, what holds it.
func tellsPlace(s *metav1.Status, place string) bool {
	place = parameterKey.ReplaceAllString(place, "parameters.$1")
	if s.Details != nil {
		for _, c := range s.Details.Causes {
			c.Field = parameterKey.ReplaceAllString(c.Field, "parameters.$1")
			if c.Field == place || strings.HasPrefix(place, c.Field+".") || strings.HasPrefix(place, c.Field+"[") || strings.HasPrefix(c.Field, place+".") || strings.HasPrefix(c.Field, place+"[") {
				return c.Field != ""
			}
		}
	}
	// What is unknown to the schema is told before there are causes.
	return strings.Contains(s.Message, `unknown field "`+place+`"`) || strings.Contains(s.Message, place+": ")
}
