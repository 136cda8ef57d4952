package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/test/serving"
)

// entryJSON gives a good entry; more is the end of its spec.
func entryJSON(t *testing.T, kind, name, namespace, more string) []byte {
	t.Helper()
	return toJSON(t, fmt.Sprintf(`apiVersion: pillion.dev/v1alpha1
kind: %s
metadata: {name: %s%s}
spec:
  description: An entry of the controller's tests.
  containers:
    - name: %s
      image: registry.example/sidecar:1
      ports: [{name: http, containerPort: 9000}]
      resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 100m, memory: 32Mi}}
      securityContext: {runAsNonRoot: true, runAsUser: 65532, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
%s`, kind, name, map[bool]string{true: ", namespace: " + namespace}[namespace != ""], name, more))
}

// createEntry stores an entry until the test ends.
func createEntry(t *testing.T, object []byte) (path string, a *serving.Answer) {
	t.Helper()
	var entry v1alpha1.Sidecar
	if err := json.Unmarshal(object, &entry); err != nil {
		t.Fatal(err)
	}
	collection := clusterPath
	if entry.Namespace != "" {
		collection = "/apis/pillion.dev/v1alpha1/namespaces/" + entry.Namespace + "/sidecars"
	}
	a = ask(t, http.MethodPost, collection+"?fieldValidation=Strict", "", object)
	wantStatus(t, a, http.StatusCreated)
	path = collection + "/" + entry.Name
	t.Cleanup(func() { remove(t, path) })
	return path, a
}

// statusOfEntry reads an entry's status and its condition Ready.
func statusOfEntry(t *testing.T, path string) (*v1alpha1.ClusterSidecar, metav1.Condition) {
	t.Helper()
	e := storedEntry(t, path)
	if c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return e, *c
	}
	return e, metav1.Condition{}
}

// awaitReady waits until an entry's condition has a reason, for the spec as it is.
func awaitReady(t *testing.T, path, reason string) (*v1alpha1.ClusterSidecar, metav1.Condition) {
	t.Helper()
	var e *v1alpha1.ClusterSidecar
	var c metav1.Condition
	await(t, path+" is "+reason, func() error {
		e, c = statusOfEntry(t, path)
		want := metav1.ConditionFalse
		if reason == v1alpha1.ReasonProved {
			want = metav1.ConditionTrue
		}
		if c.Reason != reason || c.Status != want || e.Status.ObservedGeneration != e.Generation || c.ObservedGeneration != e.Generation {
			return fmt.Errorf("generation %d, status %+v", e.Generation, e.Status)
		}
		return nil
	})
	return e, c
}

func awaitCounts(t *testing.T, path string, want v1alpha1.PodCounts) {
	t.Helper()
	await(t, "the Pods are counted", func() error {
		if e, _ := statusOfEntry(t, path); e.Status.Pods != want {
			return fmt.Errorf("%+v, want %+v", e.Status.Pods, want)
		}
		return nil
	})
}

// awaitEvent waits for as many events of an entry.
func awaitEvent(t *testing.T, name, severity, reason string, want int) {
	t.Helper()
	await(t, "an event "+reason, func() error {
		a := ask(t, http.MethodGet, "/apis/events.k8s.io/v1/events", "", nil)
		var list struct {
			Items []struct {
				Type, Reason, Note string
				Regarding          struct{ Name string }
			}
		}
		if err := json.Unmarshal(a.Body, &list); err != nil {
			return err
		}
		n := 0
		for _, e := range list.Items {
			if e.Regarding.Name == name && e.Type == severity && e.Reason == reason && e.Note != "" {
				n++
			}
		}
		if n != want {
			return fmt.Errorf("%d, want %d", n, want)
		}
		return nil
	})
}

// wantColumns looks at what kubectl get shows.
func wantColumns(t *testing.T, path string, want map[string]any) {
	t.Helper()
	table := tableOf(t, path)
	got := map[string]any{}
	for i, column := range table.ColumnDefinitions {
		if _, ok := want[column.Name]; ok {
			got[column.Name] = table.Rows[0].Cells[i]
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got)\n%s", diff)
	}
}

// carrier is a Pod that says it carries a sidecar of entryJSON.
func carrier(name, sidecar, revision string) []byte {
	status := fmt.Sprintf(`{"v":1,"sidecars":[{"name":%q,"rev":%q,"containers":[%q]}]}`, sidecar, revision, sidecar)
	b, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"name": name, "labels": map[string]string{"pillion.dev/injected": "true"}, "annotations": map[string]string{"pillion.dev/status": status}},
		"spec": map[string]any{
			"initContainers": []any{map[string]any{"name": sidecar, "image": "registry.example/sidecar:1", "restartPolicy": "Always"}},
			"containers":     []any{map[string]any{"name": "app", "image": "app:1"}},
		},
	})
	if err != nil {
		panic(err) // a constant shape
	}
	return b
}
