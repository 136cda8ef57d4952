package apiserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// profiles reads the ConfigMap that the nodes mount.
func profiles(t *testing.T) map[string]string {
	t.Helper()
	a := ask(t, http.MethodGet, "/api/v1/namespaces/"+nsSystem+"/configmaps/pillion-node-profiles", "", nil)
	var m struct{ Data map[string]string }
	if a.Status == http.StatusOK {
		if err := json.Unmarshal(a.Body, &m); err != nil {
			t.Fatal(err)
		}
	}
	return m.Data
}

// awaitProfiles waits until the ConfigMap has exactly these keys of an entry.
func awaitProfiles(t *testing.T, entry string, want ...string) {
	t.Helper()
	await(t, "the profiles are written", func() error {
		got := slices.DeleteFunc(slices.Sorted(maps.Keys(profiles(t))), func(k string) bool { return !strings.HasPrefix(k, entry+".") })
		if slices.Sort(want); !slices.Equal(got, want) {
			return fmt.Errorf("%v, want %v", got, want)
		}
		return nil
	})
}

// TestNodesKnowEveryRevisionThatPodsCarry changes an entry that a Pod carries.
func TestNodesKnowEveryRevisionThatPodsCarry(t *testing.T) {
	startController(t, "--node-helper", "--node-profiles=pillion-node-profiles")
	path, _ := createEntry(t, entryJSON(t, "ClusterSidecar", "ctl-governed", "", "  node: {cgroup: {cpuWeight: 50}}\n"))
	one, _ := awaitReady(t, path, v1alpha1.ReasonProved)
	awaitProfiles(t, "ctl-governed", "ctl-governed."+one.Status.Revision)
	if got := profiles(t)["ctl-governed."+one.Status.Revision]; got != `{"cgroup":{"cpuWeight":50}}` {
		t.Errorf("the profile is %s", got)
	}
	if _, err := plane.create("/api/v1/namespaces/"+controllerTenant+"/pods", carrier("governed", "ctl-governed", one.Status.Revision)); err != nil {
		t.Fatal(err)
	}
	awaitCounts(t, path, v1alpha1.PodCounts{Current: 1})
	wantStatus(t, ask(t, http.MethodPatch, path, "application/merge-patch+json", []byte(`{"spec":{"node":{"cgroup":{"cpuWeight":20}}}}`)), http.StatusOK)
	two, _ := awaitReady(t, path, v1alpha1.ReasonProved)
	awaitCounts(t, path, v1alpha1.PodCounts{Outdated: 1})
	awaitProfiles(t, "ctl-governed", "ctl-governed."+one.Status.Revision, "ctl-governed."+two.Status.Revision)
	a := ask(t, http.MethodPost, "/apis/pillion.dev/v1alpha1/namespaces/"+controllerTenant+"/sidecars"+dryRun, "",
		entryJSON(t, "Sidecar", "ctl-tenants", controllerTenant, "  node: {cgroup: {cpuWeight: 50}}\n"))
	if a.Status != http.StatusUnprocessableEntity || !strings.Contains(a.Message(), "only a ClusterSidecar may ask the node helper") {
		t.Errorf("a tenant's entry: %d %s", a.Status, a.Message())
	}
}
