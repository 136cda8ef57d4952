package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/golden"
	"github.com/pillion-dev/pillion/test/serving"
)

// TestWorkloads has the controllers of kube-controller-manager make Pods of a template that is the Pod of golden case
// grace: they come out as the case says, whoever makes them.
func TestWorkloads(t *testing.T) {
	useControlPlane(t)
	c := caseNamed(t, "grace")
	selector := map[string]any{"matchLabels": map[string]any{"app": "golden"}}
	always, never := template(t, c, "Always"), template(t, c, "Never")
	for _, w := range []struct {
		kind, api string
		spec      map[string]any
		then      func(t *testing.T, url string)
	}{
		{kind: "Deployment", api: "apps/v1", spec: map[string]any{"selector": selector, "template": always}},
		{kind: "StatefulSet", api: "apps/v1", spec: map[string]any{"selector": selector, "serviceName": "web", "template": always}},
		{kind: "DaemonSet", api: "apps/v1", spec: map[string]any{"selector": selector, "template": always}, then: addNode},
		{kind: "Job", api: "batch/v1", spec: map[string]any{"template": never}},
		{kind: "CronJob", api: "batch/v1", then: missARun, spec: map[string]any{
			"schedule": "0 0 1 1 *", "jobTemplate": map[string]any{"spec": map[string]any{"template": never}}}},
	} {
		t.Run(w.kind, func(t *testing.T) {
			t.Parallel()
			ns := "workload-" + strings.ToLower(w.kind)
			if err := plane.namespace(ns, map[string]string{serving.Label: "on"}, nil); err != nil {
				t.Fatal(err)
			}
			object, err := json.Marshal(map[string]any{"apiVersion": w.api, "kind": w.kind, "metadata": map[string]any{"name": "web"}, "spec": w.spec})
			if err != nil {
				t.Fatal(err)
			}
			path := "/apis/" + w.api + "/namespaces/" + ns + "/" + strings.ToLower(w.kind) + "s"
			if _, err := plane.create(path, object); err != nil {
				t.Fatal(err)
			}
			if w.then != nil {
				w.then(t, plane.url+path+"/web")
			}
			var pod any
			await(t, "a Pod of the "+w.kind, func() (err error) { pod, err = onlyPod(ns); return err })
			want := known(t, c.Want).(map[string]any)
			for _, member := range []string{"metadata", "spec"} {
				if where := golden.Lacks(pod.(map[string]any)[member], want[member], ofTheMaker(member)); where != "" {
					t.Errorf("%s lacks %s of case %s", member, where, c.Name)
				}
			}
		})
	}
}

func caseNamed(t *testing.T, name string) *golden.Case {
	t.Helper()
	for _, c := range plane.cases {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no golden case %s", name)
	return nil
}

// template is the Pod of a case as a pod template.
func template(t *testing.T, c *golden.Case, restartPolicy string) map[string]any {
	t.Helper()
	var pod struct {
		Metadata struct{ Annotations map[string]any }
		Spec     map[string]any
	}
	if err := json.Unmarshal(c.Pod, &pod); err != nil {
		t.Fatal(err)
	}
	pod.Spec["restartPolicy"] = restartPolicy
	meta := map[string]any{"labels": map[string]any{"app": "golden"}, "annotations": pod.Metadata.Annotations}
	return map[string]any{"metadata": meta, "spec": pod.Spec}
}

// ofTheMaker names what a controller sets in its Pods: their names.
func ofTheMaker(member string) func(string) bool {
	return func(name string) bool { return member == "metadata" && name == "name" }
}

// addNode gives a DaemonSet a node.
func addNode(t *testing.T, _ string) {
	t.Helper()
	if _, err := plane.create("/api/v1/nodes", []byte(`{"metadata":{"name":"node"}}`)); err != nil {
		t.Fatal(err)
	}
}

// missARun has a CronJob of New Year's Day miss its last run, so that its controller makes up for it now.
func missARun(t *testing.T, url string) {
	t.Helper()
	last := time.Now().AddDate(-1, 0, -1).UTC().Format(time.RFC3339)
	await(t, "the CronJob's status", func() error {
		got, err := serving.Do(plane.client, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		var cronJob map[string]any
		if err := json.Unmarshal(got.Body, &cronJob); err != nil {
			return err
		}
		cronJob["status"] = map[string]any{"lastScheduleTime": last}
		body, err := json.Marshal(cronJob)
		if err != nil {
			return err
		}
		put, err := serving.Do(plane.client, http.MethodPut, url+"/status", body)
		if err == nil && put.Status != http.StatusOK {
			err = errors.New(put.Message())
		}
		return err
	})
}

func onlyPod(namespace string) (any, error) {
	a, err := serving.Do(plane.client, http.MethodGet, plane.url+"/api/v1/namespaces/"+namespace+"/pods", nil)
	if err != nil {
		return nil, err
	}
	tree, err := golden.Tree(a.Body)
	if err != nil {
		return nil, err
	}
	list, _ := tree.(map[string]any)
	items, _ := list["items"].([]any)
	if len(items) != 1 {
		return nil, fmt.Errorf("%d Pods in Namespace %s, want 1", len(items), namespace)
	}
	return items[0], nil
}
