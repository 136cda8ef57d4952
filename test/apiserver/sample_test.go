package apiserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/golden"
)

// TestRandomPods creates random Pods of the property tests: whatever Pod the API server takes by itself, it takes injected,
// and what it stores is the same where the webhook injects and where the core's patch was applied before.
func TestRandomPods(t *testing.T) {
	useControlPlane(t)
	text, err := os.ReadFile(filepath.Join(golden.Dir(), "sample.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := sidecars.Load(os.DirFS(plane.catalog))
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		t.Run("line "+strconv.Itoa(i+1), func(t *testing.T) {
			pod := anonymous(t, line, i)
			plain := post(t, nsOff, pod)
			if plain.Status != http.StatusCreated {
				return // what is random may be no Pod: counted below
			}
			taken++
			on := stored(t, post(t, nsOn, pod))
			wantSame(t, "injected by the webhook, and by the core before", stored(t, post(t, nsOff, injectedBy(t, catalog, pod))), on)
			if where := golden.Lacks(comparable(t, on), comparable(t, stored(t, plain)), extended); where != "" {
				t.Errorf("the stored object lacks %s, which it has without the webhook", where)
			}
			wantQoSKept(t, stored(t, plain), on)
		})
	}
	t.Logf("the API server took %d of the Pods", taken)
	if taken < 30 {
		t.Errorf("the API server took %d of the Pods, want at least 30: the test says little", taken)
	}
}

// anonymous gives a Pod a name of its own, and the Namespace and account that there are.
func anonymous(t *testing.T, pod []byte, i int) []byte {
	t.Helper()
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(pod))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		t.Fatal(err)
	}
	meta, _ := object["metadata"].(map[string]any)
	if meta == nil {
		t.Fatal("the Pod has no metadata")
	}
	delete(meta, "namespace")
	delete(meta, "generateName")
	meta["name"] = "random-" + strconv.Itoa(i)
	if spec, ok := object["spec"].(map[string]any); ok {
		delete(spec, "serviceAccountName")
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func injectedBy(t *testing.T, catalog *sidecars.Catalog, object []byte) []byte {
	t.Helper()
	pod, err := sidecars.ReadPod(object)
	if err != nil {
		t.Fatal(err)
	}
	res := sidecars.Inject(catalog, pod, &sidecars.Namespace{Name: nsOn})
	if res.Outcome != sidecars.Injected {
		t.Fatalf("the core says %s: %v", res.Outcome, res.Errors)
	}
	patch, err := jsonpatch.DecodePatch(sidecars.AppendPatch(nil, res.Patch))
	if err != nil {
		t.Fatal(err)
	}
	after, err := patch.Apply(object)
	if err != nil {
		t.Fatal(err)
	}
	return after
}
