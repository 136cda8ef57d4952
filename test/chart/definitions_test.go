package chart

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
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
