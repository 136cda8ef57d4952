package apiserver

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/test/serving"
)

// advise has the API server ask the controller about workloads, until the test ends.
func (c *runningController) advise(t *testing.T) {
	t.Helper()
	config, err := json.Marshal(map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": map[string]any{"name": "advice"},
		"webhooks": []any{map[string]any{
			"name": "workloads.pillion.dev", "admissionReviewVersions": []string{"v1"}, "sideEffects": "None", "failurePolicy": "Ignore", "timeoutSeconds": 30,
			"clientConfig": map[string]any{"url": strings.TrimSuffix(c.URL, "/validate") + "/workloads", "caBundle": base64.StdEncoding.EncodeToString(c.CA)},
			"rules": []any{
				map[string]any{"apiGroups": []string{"apps"}, "apiVersions": []string{"v1"}, "operations": []string{"CREATE", "UPDATE"}, "resources": []string{"deployments", "statefulsets", "daemonsets"}},
				map[string]any{"apiGroups": []string{"batch"}, "apiVersions": []string{"v1"}, "operations": []string{"CREATE", "UPDATE"}, "resources": []string{"jobs", "cronjobs"}},
			}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plane.create(validatingPath, config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, validatingPath+"/advice") })
	await(t, "the webhook is called", func() error {
		if a := create(t, "Deployment", "advised", "", "pillion.dev/inject: adviser-probe"); len(a.Warnings) == 0 {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
}

// workloadPaths are the collections of the kinds.
var workloadPaths = map[string]string{"Deployment": "apps/v1 deployments", "StatefulSet": "apps/v1 statefulsets", "DaemonSet": "apps/v1 daemonsets",
	"Job": "batch/v1 jobs", "CronJob": "batch/v1 cronjobs"}

// workloadJSON gives a workload with annotations of its own and of its template, in YAML.
func workloadJSON(t *testing.T, kind, annotations, ofTemplate, podSpec string) []byte {
	t.Helper()
	version, _, _ := strings.Cut(workloadPaths[kind], " ")
	policy := "Always"
	head := "selector: {matchLabels: {app: web}}, "
	if version == "batch/v1" {
		policy, head = "Never", ""
	}
	if kind == "StatefulSet" {
		head += "serviceName: web, "
	}
	template := fmt.Sprintf("template: {metadata: {labels: {app: web}, annotations: {%s}}, spec: {restartPolicy: %s, %s containers: [{name: app, image: app:1, resources: {requests: {cpu: 10m}}}]}}", ofTemplate, policy, podSpec)
	spec := "{" + head + template + "}"
	if kind == "CronJob" {
		spec = "{schedule: '0 0 1 1 *', jobTemplate: {spec: {" + template + "}}}"
	}
	return toJSON(t, fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {generateName: web-, annotations: {%s}}, spec: %s}", version, kind, annotations, spec))
}

// create asks for a workload's creation, in a dry run.
func create(t *testing.T, kind, namespace, annotations, ofTemplate string) *serving.Answer {
	t.Helper()
	return createWith(t, kind, namespace, annotations, ofTemplate, "")
}

func createWith(t *testing.T, kind, namespace, annotations, ofTemplate, podSpec string) *serving.Answer {
	t.Helper()
	version, resource, _ := strings.Cut(workloadPaths[kind], " ")
	return ask(t, http.MethodPost, "/apis/"+version+"/namespaces/"+namespace+"/"+resource+dryRun, "", workloadJSON(t, kind, annotations, ofTemplate, podSpec))
}

func TestWhoWritesAWorkloadIsWarned(t *testing.T) {
	c := startController(t)
	for ns, labels := range map[string]map[string]string{"advised": nil, "advised-enabled": {"pillion.dev/injection": "enabled"}} {
		if err := plane.namespace(ns, labels, map[string]string{"pillion.dev/inject": "log-shiper"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := plane.namespace("advised-quiet", nil, nil); err != nil {
		t.Fatal(err)
	}
	c.advise(t)
	for _, r := range []struct {
		name, kind, namespace, own, template, podSpec string
		want                                          []string // beginnings, in order
	}{
		{name: "nothing asked", kind: "Deployment", namespace: "advised-quiet"},
		{name: "all is well", kind: "Deployment", namespace: "advised-quiet", template: "pillion.dev/inject: proxy, pillion.dev/proxy.upstream-port: '8080'"},
		{name: "a mistyped name", kind: "Deployment", namespace: "advised-quiet", template: "pillion.dev/inject: proxi",
			want: []string{`P502: Pods refused: pillion.dev/inject: "proxi": no such sidecar; did you mean "proxy"?`}},
		{name: "two mistakes", kind: "StatefulSet", namespace: "advised-quiet", template: "pillion.dev/inject: proxy, pillion.dev/proxy.upstream-port: web, pillion.dev/proxy.listen: '80'",
			want: []string{`P502: Pods refused: pillion.dev/proxy.upstream-port: "web": must be a port`, `P502: Pods refused: pillion.dev/proxy.listen: "listen": sidecar proxy has no such parameter`}},
		{name: "a clash with the Pod itself", kind: "DaemonSet", namespace: "advised-quiet", template: "pillion.dev/inject: proxy, pillion.dev/proxy.upstream-port: '8080'",
			podSpec: "initContainers: [{name: proxy, image: mine:1}],", want: []string{"P502: Pods refused: spec.template.spec.initContainers[0].name: "}},
		{name: "on the workload and not in its template", kind: "CronJob", namespace: "advised-quiet", own: "pillion.dev/inject: proxy",
			want: []string{"P501: pillion.dev/inject counts only in spec.jobTemplate.spec.template.metadata.annotations: move it there"}},
		{name: "on both", kind: "Job", namespace: "advised-quiet", own: "pillion.dev/inject: proxy", template: "pillion.dev/inject: proxy, pillion.dev/proxy.upstream-port: '8080'"},
		{name: "the failure is to be ignored", kind: "Job", namespace: "advised-quiet", template: "pillion.dev/inject: proxi, pillion.dev/failure-policy: Ignore",
			want: []string{"P301: "}},
		{name: "the Namespace has a default and is not labelled", kind: "Deployment", namespace: "advised", want: []string{"P105: "}},
		{name: "the Namespace's default is mistyped", kind: "Deployment", namespace: "advised-enabled",
			want: []string{`P502: Pods refused: the Namespace's pillion.dev/inject: "log-shiper": no such sidecar; did you mean "log-shipper"?`}},
		{name: "opted out of it", kind: "Deployment", namespace: "advised-enabled", template: "pillion.dev/inject: 'false'"},
		{name: "in a Namespace that is left alone", kind: "DaemonSet", namespace: "kube-system", template: "pillion.dev/inject: proxy",
			want: []string{"P503: Pods get no sidecars: Pillion leaves Namespace kube-system alone"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			a := createWith(t, r.kind, r.namespace, r.own, r.template, r.podSpec)
			wantStatus(t, a, http.StatusCreated)
			if len(a.Warnings) != len(r.want) {
				t.Fatalf("got %q, want %q", a.Warnings, r.want)
			}
			for _, want := range r.want {
				if !slices.ContainsFunc(a.Warnings, func(w string) bool { return strings.HasPrefix(strings.ReplaceAll(w, `\"`, `"`), `299 - "`+want) }) {
					t.Errorf("got %q, want %q", a.Warnings, want)
				}
			}
		})
	}
	t.Run("a change that leaves the template alone", func(t *testing.T) { changedWorkload(t) })
	t.Run("a dead controller holds nobody up", func(t *testing.T) {
		c.Stop()
		wantStatus(t, create(t, "Deployment", "advised-quiet", "", "pillion.dev/inject: proxi"), http.StatusCreated)
	})
}

// changedWorkload changes a workload with a mistake, which is named again only where it may be another by then.
func changedWorkload(t *testing.T) {
	const path = "/apis/apps/v1/namespaces/advised-quiet/deployments"
	object := strings.Replace(string(workloadJSON(t, "Deployment", "", "pillion.dev/inject: proxi", "")), `"generateName":"web-"`, `"name":"web"`, 1)
	object = strings.Replace(object, `"spec":{`, `"spec":{"replicas":0,`, 1)
	wantStatus(t, ask(t, http.MethodPost, path, "", []byte(object)), http.StatusCreated)
	t.Cleanup(func() { remove(t, path+"/web") })
	for patch, want := range map[string]int{
		`{"metadata":{"annotations":{"team":"shop"}}}`:                                                              0,
		`{"spec":{"paused":true}}`:                                                                                  0,
		`{"spec":{"template":{"metadata":{"annotations":{"team":"shop"}}}}}`:                                        1,
		`{"metadata":{"annotations":{"pillion.dev/proxy.upstream-port":"80"}}}`:                                     2,
		`{"spec":{"template":{"metadata":{"annotations":{"pillion.dev/inject":null,"pillion.dev/proxy.x":null}}}}}`: 0,
	} {
		a := ask(t, http.MethodPatch, path+"/web"+dryRun, "application/merge-patch+json", []byte(patch))
		wantStatus(t, a, http.StatusOK)
		if len(a.Warnings) != want {
			t.Errorf("%s: %q, want %d", patch, a.Warnings, want)
		}
	}
}
