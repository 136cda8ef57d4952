package chart

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
)

// others' kinds that the chart has, by the module that brings their definitions, the directory whose go.mod pins it, and
// the files there.
var others = []struct {
	module, pinned, dir string
	files               []string
}{
	{"github.com/cert-manager/cert-manager", "../..", "deploy/crds", []string{"cert-manager.io_certificates.yaml", "cert-manager.io_issuers.yaml"}},
	{"github.com/prometheus-operator/prometheus-operator", "../../tools/chart", "example/prometheus-operator-crd", []string{
		"monitoring.coreos.com_servicemonitors.yaml", "monitoring.coreos.com_podmonitors.yaml", "monitoring.coreos.com_prometheusrules.yaml",
	}},
}

var othersInstalled bool

// useDefinitions installs the CustomResourceDefinitions of cert-manager and of the Prometheus Operator, from their sources.
func useDefinitions(t *testing.T) {
	t.Helper()
	if othersInstalled {
		return
	}
	othersInstalled = true
	if err := started(); err != nil {
		t.Fatal(err)
	}
	for _, path := range othersFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects(t, string(text)) {
			apply(t, o, o.JSON, "")
			awaitServed(t, o)
		}
	}
}

// awaitServed waits until the kind that a definition is of can be read.
func awaitServed(t *testing.T, definition *object) {
	t.Helper()
	var is struct {
		Spec struct {
			Group    string
			Names    struct{ Plural string }
			Versions []struct{ Name string }
		}
	}
	if err := json.Unmarshal(definition.JSON, &is); err != nil {
		t.Fatal(err)
	}
	await(t, definition.Name+" is served", func() error {
		path := "/apis/" + is.Spec.Group + "/" + is.Spec.Versions[0].Name + "/" + is.Spec.Names.Plural
		if a := do(t, http.MethodGet, path, nil); a.Status != http.StatusOK {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
}

func othersFiles(t *testing.T) (files []string) {
	t.Helper()
	for _, of := range others {
		cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", of.module)
		cmd.Dir = of.pinned
		out, errs, err := output(cmd)
		var module struct{ Dir string }
		if err == nil {
			err = json.Unmarshal([]byte(out), &module)
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", of.module, err, errs)
		}
		for _, file := range of.files {
			files = append(files, filepath.Join(module.Dir, of.dir, file))
		}
	}
	return files
}

// TestDefinitionsAreThoseOfTheAPI compares the rendered definitions with the generated ones.
func TestDefinitionsAreThoseOfTheAPI(t *testing.T) {
	for _, keep := range []bool{true, false} {
		got := ofKind(t, objects(t, render(t, "--set", fmt.Sprintf("crds.keep=%v", keep))), "CustomResourceDefinition")
		var want, rendered []map[string]any
		for _, text := range crds.All() {
			var v map[string]any
			if err := yaml.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			want = append(want, v)
		}
		for _, o := range got {
			var v map[string]any
			if err := json.Unmarshal(o.JSON, &v); err != nil {
				t.Fatal(err)
			}
			meta := v["metadata"].(map[string]any)
			delete(meta, "labels")
			annotations := meta["annotations"].(map[string]any)
			if is := annotations["helm.sh/resource-policy"]; keep != (is == "keep") {
				t.Errorf("keep is %v, and %s has %v", keep, o, is)
			}
			delete(annotations, "helm.sh/resource-policy")
			rendered = append(rendered, v)
		}
		if diff := cmp.Diff(want, rendered); diff != "" {
			t.Errorf("(-api/crds +chart)\n%s", diff)
		}
	}
	for _, o := range objects(t, render(t)) {
		if strings.HasPrefix(o.APIVersion, "pillion.dev/") {
			t.Errorf("%s: helm cannot look its kind up before the definitions are installed", o)
		}
	}
}
