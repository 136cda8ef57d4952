package apiserver

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/test/golden"
	"github.com/pillion-dev/pillion/test/serving"
)

func TestControllerCountsPods(t *testing.T) {
	c := startController(t)
	const ns = "ctl-pods"
	if err := plane.namespace(ns, map[string]string{serving.Label: "on"}, nil); err != nil {
		t.Fatal(err)
	}
	files, err := golden.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	var object []byte
	for key, text := range documentsOf(t, files) {
		if key.Name == "plain" {
			object = text
		}
	}
	path, _ := createEntry(t, object)
	pods := "/api/v1/namespaces/" + ns + "/pods"
	create := func(name string) {
		pod := fmt.Sprintf(`{"metadata":{"name":%q,"annotations":{"pillion.dev/inject":"plain"}},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`, name)
		if _, err := plane.create(pods, []byte(pod)); err != nil {
			t.Fatal(err)
		}
	}
	began, before := time.Now(), writes(c)
	for _, name := range []string{"one", "two", "three"} {
		create(name)
	}
	for i := range 40 {
		create(fmt.Sprint("churn-", i))
		wantStatus(t, ask(t, http.MethodDelete, fmt.Sprint(pods, "/churn-", i, "?gracePeriodSeconds=0"), "", nil), http.StatusOK)
	}
	awaitCounts(t, path, v1alpha1.PodCounts{Current: 3})
	// What is counted within a second is written once, however long this took.
	if n, most := writes(c)-before, 3+int(time.Since(began)/time.Second); n > most {
		t.Errorf("43 Pods came, 40 went: the status was written %d times, want at most %d", n, most)
	}
	image := []byte(`[{"op":"replace","path":"/spec/containers/1/image","value":"mirror.example/plain:1"}]`)
	wantStatus(t, ask(t, http.MethodPatch, pods+"/two", "application/json-patch+json", image), http.StatusOK)
	awaitCounts(t, path, v1alpha1.PodCounts{Current: 2, Changed: 1})
	ended := []byte(`{"status":{"phase":"Succeeded"}}`)
	wantStatus(t, ask(t, http.MethodPatch, pods+"/three/status", "application/merge-patch+json", ended), http.StatusOK)
	awaitCounts(t, path, v1alpha1.PodCounts{Current: 1, Changed: 1})
	wantColumns(t, path, map[string]any{"Current": float64(1), "Changed": float64(1), "Outdated": float64(0)})
	wantStatus(t, ask(t, http.MethodPatch, path, "application/merge-patch+json", []byte(`{"spec":{"description":"Another one."}}`)), http.StatusOK)
	awaitCounts(t, path, v1alpha1.PodCounts{Outdated: 2})
	wantStatus(t, ask(t, http.MethodDelete, pods+"/one?gracePeriodSeconds=0", "", nil), http.StatusOK)
	awaitCounts(t, path, v1alpha1.PodCounts{Outdated: 1})
}

// TestControllerCountsTenantsApart gives two Namespaces Sidecars of one name, and each a Pod.
func TestControllerCountsTenantsApart(t *testing.T) {
	startController(t)
	var paths []string
	for i, ns := range []string{"ctl-red", "ctl-blue"} {
		if err := plane.namespace(ns, nil, nil); err != nil {
			t.Fatal(err)
		}
		path, _ := createEntry(t, entryJSON(t, "Sidecar", "ctl-same", ns, fmt.Sprintf("  flushSeconds: %d\n", i+1)))
		e, _ := awaitReady(t, path, v1alpha1.ReasonProved)
		paths = append(paths, path)
		for n := range i + 1 {
			if _, err := plane.create("/api/v1/namespaces/"+ns+"/pods", carrier(fmt.Sprintf("web-%d", n), "ctl-same", e.Status.Revision)); err != nil {
				t.Fatal(err)
			}
		}
	}
	awaitCounts(t, paths[0], v1alpha1.PodCounts{Current: 1})
	awaitCounts(t, paths[1], v1alpha1.PodCounts{Current: 2})
	// The ClusterSidecar that wins over both counts all three, which have not got it yet.
	wins, _ := createEntry(t, entryJSON(t, "ClusterSidecar", "ctl-same", "", ""))
	awaitCounts(t, wins, v1alpha1.PodCounts{Outdated: 3})
	awaitCounts(t, paths[0], v1alpha1.PodCounts{})
	awaitCounts(t, paths[1], v1alpha1.PodCounts{})
}
