package sidecars_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	sigsyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// TestPodSecurityFixtures injects into every Pod with which Kubernetes tests its own Pod Security checks, at all versions:
// none gets worse.
func TestPodSecurityFixtures(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatal(err)
	}
	catalog := propertyCatalog(t)
	files, outcomes, seen := 0, map[sidecars.Outcome]int{}, map[string]bool{}
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(dir)), "test", "testdata"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil || seen[string(text)] {
			return err
		}
		seen[string(text)] = true
		outcomes[injectFixture(t, catalog, path, text)]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files, %d different ones: %v", files, len(seen), outcomes)
	if files < 4000 || outcomes[sidecars.Injected] < len(seen)*3/4 {
		t.Error("the test says little")
	}
}

func injectFixture(t *testing.T, catalog *sidecars.Catalog, path string, text []byte) sidecars.Outcome {
	t.Helper()
	var pod map[string]any
	if err := sigsyaml.Unmarshal(text, &pod); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	meta, _ := pod["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
	}
	meta["annotations"] = annotations
	annotations[v1alpha1.AnnotationInject] = "shipper,front,texts,copier"
	annotations["pillion.dev/shipper.endpoint"] = "http://logs.example:4318"
	annotations["pillion.dev/front.upstream"] = "9000"
	annotations["pillion.dev/copier.source"] = "http://files.example"
	object, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	res, after, err := run(catalog, object, &sidecars.Namespace{})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if after == nil {
		return res.Outcome
	}
	for _, law := range []error{additions(object, after), decodesStrictly(after), levelKept(catalog, res, object, after), qosKept(object, after)} {
		if law != nil {
			t.Errorf("%s: %v", path, law)
		}
	}
	return res.Outcome
}
