package apiserver

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// TestStatusOfAnEntry writes a status as the controller does and reads it as kubectl does.
func TestStatusOfAnEntry(t *testing.T) {
	useDefinitions(t)
	early := strings.Replace(goodEntry, "spec:\n", "status: {revision: forged}\nspec:\n", 1)
	wantStatus(t, ask(t, http.MethodPost, clusterPath, "", toJSON(t, early)), http.StatusCreated)
	const path = clusterPath + "/good"
	t.Cleanup(func() { remove(t, path) })
	before := storedEntry(t, path)
	if diff := gocmp.Diff(v1alpha1.SidecarStatus{}, before.Status); diff != "" {
		t.Errorf("who writes an entry writes its status (-want +got)\n%s", diff)
	}

	status := v1alpha1.SidecarStatus{
		ObservedGeneration: before.Generation, Revision: "0123456789ab", PodSecurityLevel: "baseline", Pods: v1alpha1.PodCounts{Current: 5, Changed: 1},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonProved, LastTransitionTime: before.CreationTimestamp}},
	}
	patch, err := json.Marshal(map[string]any{"status": status, "spec": map[string]any{"flushSeconds": 6}})
	if err != nil {
		t.Fatal(err)
	}
	const mergePatch = "application/merge-patch+json"
	wantStatus(t, ask(t, http.MethodPatch, path+"/status?fieldValidation=Strict", mergePatch, patch), http.StatusOK)
	after := storedEntry(t, path)
	if diff := gocmp.Diff(status, after.Status); diff != "" {
		t.Errorf("status (-written +read)\n%s", diff)
	}
	if after.Generation != before.Generation || after.Spec.FlushSeconds != 5 {
		t.Errorf("the status changes the spec: generation %d, flushSeconds %d", after.Generation, after.Spec.FlushSeconds)
	}
	wrong := []byte(`{"status":{"conditions":[{"type":"Ready","status":"Maybe","reason":"Proved","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	wantStatus(t, ask(t, http.MethodPatch, path+"/status", mergePatch, wrong), http.StatusUnprocessableEntity)

	table := tableOf(t, path)
	got := map[string]any{}
	var order, wide []string
	for i, c := range table.ColumnDefinitions {
		order, got[c.Name] = append(order, c.Name), table.Rows[0].Cells[i]
		if c.Priority > 0 {
			wide = append(wide, c.Name)
		}
	}
	if age, _ := got["Age"].(string); age == "" || age == "<unknown>" {
		t.Errorf("the age is %q", age)
	}
	delete(got, "Age")
	want := map[string]any{"Name": "good", "Ready": "True", "Reason": "Proved", "Level": "baseline", "Revision": "0123456789ab",
		"Current": 5.0, "Changed": 1.0, "Outdated": 0.0, "Description": "An entry without a mistake."}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("row (-want +got)\n%s", diff)
	}
	if diff := gocmp.Diff([]string{"Name", "Ready", "Reason", "Level", "Revision", "Current", "Changed", "Outdated", "Age", "Description"}, order); diff != "" {
		t.Errorf("columns (-want +got)\n%s", diff)
	}
	if diff := gocmp.Diff([]string{"Description"}, wide); diff != "" {
		t.Errorf("columns of -o wide (-want +got)\n%s", diff)
	}
}

func storedEntry(t *testing.T, path string) *v1alpha1.ClusterSidecar {
	t.Helper()
	a := ask(t, http.MethodGet, path, "", nil)
	wantStatus(t, a, http.StatusOK)
	entry := new(v1alpha1.ClusterSidecar)
	if err := json.Unmarshal(a.Body, entry); err != nil {
		t.Fatal(err)
	}
	return entry
}
