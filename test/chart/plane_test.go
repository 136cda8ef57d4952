package chart

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/serving"
)

// plane is the control plane that the tests share, with the chart on it and no webhook that answers.
var plane struct {
	url    string
	client *http.Client
	ca     []byte
	// kubeconfig is what a webhook that does answer runs with.
	kubeconfig string
	stop       []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range slices.Backward(plane.stop) {
		stop()
	}
	os.Exit(code)
}

var started = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // a cold build of the control plane
	defer cancel()
	control, err := cluster.Start(ctx, cluster.Config{Log: os.Stderr})
	if err != nil {
		return err
	}
	plane.stop = append(plane.stop, control.Stop)
	plane.url, plane.client, plane.kubeconfig, plane.ca = control.URL(), control.HTTPClient(), control.Kubeconfig(), control.CA()
	return nil
})

// Who the programs are to the API server.
const (
	webhook    = "system:serviceaccount:" + namespace + ":pillion"
	controller = "system:serviceaccount:" + namespace + ":pillion-controller"
)

// deadURL is where nobody listens.
const deadURL = "https://127.0.0.1:1"

// plurals of the kinds that the chart has and the API server knows.
var plurals = map[string]string{
	"CustomResourceDefinition": "customresourcedefinitions", "ServiceAccount": "serviceaccounts", "ClusterRole": "clusterroles",
	"ClusterRoleBinding": "clusterrolebindings", "Role": "roles", "RoleBinding": "rolebindings", "Service": "services",
	"Deployment": "deployments", "DaemonSet": "daemonsets", "PodDisruptionBudget": "poddisruptionbudgets", "NetworkPolicy": "networkpolicies",
	"HorizontalPodAutoscaler": "horizontalpodautoscalers", "ConfigMap": "configmaps", "Pod": "pods", "Job": "jobs", "Secret": "secrets",
	"Certificate": "certificates", "Issuer": "issuers", "ServiceMonitor": "servicemonitors", "PodMonitor": "podmonitors",
	"PrometheusRule":               "prometheusrules",
	"MutatingWebhookConfiguration": "mutatingwebhookconfigurations", "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
	"ValidatingAdmissionPolicy": "validatingadmissionpolicies", "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}

// do sends a request, as another user where one is named: a user and groups.
func do(t *testing.T, method, path string, object any, as ...string) *serving.Answer {
	t.Helper()
	body, ok := object.([]byte)
	if !ok && object != nil {
		var err error
		if body, err = json.Marshal(object); err != nil {
			t.Fatal(err)
		}
	}
	client := plane.client
	if method == http.MethodPatch || len(as) > 0 {
		client = &http.Client{Transport: headers{plane.client.Transport, method, path, as}}
	}
	a, err := serving.Do(client, method, plane.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// headers sets what serving.Do does not.
type headers struct {
	http.RoundTripper
	method, path string
	as           []string
}

func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if h.method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
		if strings.Contains(h.path, "fieldManager=") {
			r.Header.Set("Content-Type", "application/apply-patch+yaml")
		}
	}
	for i, who := range h.as {
		if i == 0 {
			r.Header.Set("Impersonate-User", who)
			continue
		}
		r.Header.Add("Impersonate-Group", who)
	}
	return h.RoundTripper.RoundTrip(r)
}

// apply writes an object as helm 4 does, by server-side apply, and refuses fields that the API server does not know.
func apply(t *testing.T, o *object, text []byte, options string) {
	t.Helper()
	plural := plurals[o.Kind]
	if plural == "" {
		t.Fatalf("%s: unknown plural", o)
	}
	path := "/apis/" + o.APIVersion
	if o.APIVersion == "v1" {
		path = "/api/v1"
	}
	if o.Namespace != "" {
		path += "/namespaces/" + o.Namespace
	}
	a := do(t, http.MethodPatch, path+"/"+plural+"/"+o.Name+"?fieldManager=helm&force=true&fieldValidation=Strict"+options, text)
	if a.Status != http.StatusOK && a.Status != http.StatusCreated {
		t.Fatalf("%s: %d %s", o, a.Status, a.Message())
	}
	for _, w := range a.Warnings {
		// The helper on the nodes is no restricted Pod; the others are.
		if o.Kind != "DaemonSet" || !strings.Contains(w, `would violate PodSecurity`) {
			t.Errorf("%s: warning: %s", o, w)
		}
	}
}

// withURL lets a webhook configuration call a URL in place of a Service.
func withURL(t *testing.T, o *object, url string, ca []byte) []byte {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(o.JSON, &v); err != nil {
		t.Fatal(err)
	}
	webhooks, _ := v["webhooks"].([]any)
	for _, w := range webhooks {
		w := w.(map[string]any)
		path := w["clientConfig"].(map[string]any)["service"].(map[string]any)["path"].(string)
		w["clientConfig"] = map[string]any{"url": url + path, "caBundle": base64.StdEncoding.EncodeToString(ca)}
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// install puts the chart on the API server, with webhooks that nobody answers.
func install(t *testing.T) []*object {
	t.Helper()
	if err := started(); err != nil {
		t.Fatal(err)
	}
	useDefinitions(t)
	makeNamespace(t, namespace, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, nil)
	all := objects(t, render(t))
	for _, o := range all {
		switch {
		case o.Annotations["helm.sh/hook"] == "pre-delete":
			apply(t, o, o.JSON, "&dryRun=All")
		case o.Kind == "Pod": // the one of helm test: its ServiceAccount may come after it here
			apply(t, o, o.JSON, "&dryRun=All")
		default:
			apply(t, o, withURL(t, o, deadURL, nil), "")
		}
	}
	// The API server takes up policies and webhooks a moment after they are stored.
	makeNamespace(t, "probe", map[string]string{"pillion.dev/injection": "required"}, nil)
	makeNamespace(t, "probe-policy", nil, nil)
	if a := do(t, http.MethodPost, "/api/v1/namespaces/probe-policy/pods", pod("old", nil)); a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Message())
	}
	probes := []struct {
		method, path string
		object       any
		as           []string
	}{
		{http.MethodPost, "/api/v1/namespaces/probe/pods?dryRun=All", pod("p", nil), nil},
		{http.MethodPost, "/api/v1/namespaces/probe-policy/pods?dryRun=All", pod("p", map[string]string{inject: "proxy"}), nil},
		{http.MethodPatch, "/api/v1/namespaces/probe-policy/pods/old?dryRun=All", []byte(`{"metadata":{"labels":{"pillion.dev/injected":"true"}}}`), nil},
		{http.MethodPost, "/api/v1/namespaces/probe-policy/pods", pod("p", nil), []string{controller, "system:masters"}},
	}
	for _, p := range probes {
		await(t, "the webhook and the policies are in force", func() error {
			a := do(t, p.method, p.path, p.object, p.as...)
			if a.Status == http.StatusCreated && len(p.as) > 0 {
				do(t, http.MethodDelete, p.path+"/p?gracePeriodSeconds=0", nil)
			}
			if a.Status < http.StatusBadRequest {
				return fmt.Errorf("%s %s: %d", p.method, p.path, a.Status)
			}
			return nil
		})
	}
	return all
}

var installed []*object

// useChart installs the chart where no test has.
func useChart(t *testing.T) []*object {
	t.Helper()
	if installed == nil {
		installed = install(t)
	}
	return installed
}

func makeNamespace(t *testing.T, name string, labels, annotations map[string]string) {
	t.Helper()
	object := map[string]any{"metadata": map[string]any{"name": name, "labels": labels, "annotations": annotations}}
	if a := do(t, http.MethodPost, "/api/v1/namespaces", object); a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Message())
	}
	account := map[string]any{"metadata": map[string]any{"name": "default"}}
	a := do(t, http.MethodPost, "/api/v1/namespaces/"+name+"/serviceaccounts", account)
	if a.Status != http.StatusCreated && a.Status != http.StatusConflict {
		t.Fatalf("%d %s", a.Status, a.Message())
	}
}

// await calls try until it gives no error, for at most three minutes: a slow machine needs some.
func await(t *testing.T, what string, try func() error) {
	t.Helper()
	if err := wait(try); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// wait calls try until it gives no error, for at most three minutes, and gives the last.
func wait(try func() error) (err error) {
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if err = try(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

const (
	inject = "pillion.dev/inject"
	policy = "pillion.dev/failure-policy"
	label  = "pillion.dev/injection"
)

// pod gives a Pod with one container; tweaks change its spec.
func pod(name string, annotations map[string]string, tweaks ...func(spec map[string]any)) map[string]any {
	spec := map[string]any{"containers": []any{map[string]any{"name": "app", "image": "app:1"}}}
	for _, tweak := range tweaks {
		tweak(spec)
	}
	return map[string]any{"metadata": map[string]any{"name": name, "annotations": annotations}, "spec": spec}
}

func onHostNetwork(spec map[string]any) { spec["hostNetwork"] = true }

func onWindows(spec map[string]any) { spec["os"] = map[string]any{"name": "windows"} }

func withContainer(name string) func(map[string]any) {
	return func(spec map[string]any) {
		spec["initContainers"] = []any{map[string]any{"name": name, "image": "x:1", "restartPolicy": "Always"}}
	}
}
