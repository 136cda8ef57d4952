package apiserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	_ "github.com/pillion-dev/pillion/controller" // what the program under test is made of
	"github.com/pillion-dev/pillion/test/golden"
	"github.com/pillion-dev/pillion/test/serving"
)

const (
	nsSystem       = "pillion-system"
	validatingPath = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
	// controllerTenant is a Namespace with entries and Pods of its own.
	controllerTenant = "ctl-tenant"
)

// controllers are the rights and the program that the tests of the controller share.
type controllers struct {
	program, kubeconfig, token string
}

var useControllers = sync.OnceValues(func() (*controllers, error) { return newControllers() })

func newControllers() (*controllers, error) {
	dir, err := os.MkdirTemp("", "pillion-controller-")
	if err != nil {
		return nil, err
	}
	plane.stop = append(plane.stop, func() { _ = os.RemoveAll(dir) })
	// The program's package cannot be imported, so its source is looked at, for `go test` to see that it changed.
	if _, err := fs.Glob(os.DirFS("../../cmd/pillion-controller"), "*.go"); err != nil {
		return nil, err
	}
	c := &controllers{kubeconfig: filepath.Join(dir, "kubeconfig")}
	if c.program, err = serving.BuildController(context.Background(), dir); err != nil {
		return nil, err
	}
	for _, ns := range []string{nsSystem, controllerTenant} {
		if err := plane.namespace(ns, nil, nil); err != nil {
			return nil, err
		}
	}
	if err := applyRBAC(); err != nil {
		return nil, err
	}
	return c, c.account()
}

// applyRBAC creates what is in controller/rbac.yaml.
func applyRBAC() error {
	text, err := os.ReadFile("../../controller/rbac.yaml")
	if err != nil {
		return err
	}
	const rbac, policies = "/apis/rbac.authorization.k8s.io/v1", "/apis/admissionregistration.k8s.io/v1"
	paths := map[string]string{
		"ServiceAccount": "/api/v1/namespaces/" + nsSystem + "/serviceaccounts", "ClusterRole": rbac + "/clusterroles",
		"ClusterRoleBinding": rbac + "/clusterrolebindings", "Role": rbac + "/namespaces/" + nsSystem + "/roles",
		"RoleBinding":               rbac + "/namespaces/" + nsSystem + "/rolebindings",
		"ValidatingAdmissionPolicy": policies + "/validatingadmissionpolicies", "ValidatingAdmissionPolicyBinding": policies + "/validatingadmissionpolicybindings",
	}
	documents := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for n := 0; ; n++ {
		document, err := documents.Read()
		if err != nil {
			if n < len(paths) {
				return fmt.Errorf("rbac.yaml has %d documents: %w", n, err)
			}
			return nil
		}
		object, err := yaml.YAMLToJSON(document)
		if err != nil {
			return err
		}
		var kind struct{ Kind string }
		if err := json.Unmarshal(object, &kind); err != nil {
			return err
		}
		if _, err := plane.create(paths[kind.Kind]+"?fieldValidation=Strict", object); err != nil {
			return err
		}
	}
}

// account writes a kubeconfig with a token of the controller's ServiceAccount.
func (c *controllers) account() error {
	a, err := plane.create("/api/v1/namespaces/"+nsSystem+"/serviceaccounts/pillion-controller/token", []byte(`{"spec":{"expirationSeconds":7200}}`))
	if err != nil {
		return err
	}
	var token struct{ Status struct{ Token string } }
	if err := json.Unmarshal(a.Body, &token); err != nil {
		return err
	}
	c.token = token.Status.Token
	var ca struct{ Data map[string]string }
	err = eventually("the CA is published", func() error {
		a, err := serving.Do(plane.client, http.MethodGet, plane.url+"/api/v1/namespaces/"+nsSystem+"/configmaps/kube-root-ca.crt", nil)
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", a.Status, a.Message())
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(a.Body, &ca)
	})
	if err != nil {
		return err
	}
	return os.WriteFile(c.kubeconfig, serving.TokenKubeconfig(plane.url, []byte(ca.Data["ca.crt"]), c.token), 0o600)
}

// runningController is a controller and what it logs.
type runningController struct {
	*serving.Controller
	mu  sync.Mutex
	log bytes.Buffer
}

func (c *runningController) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(b)
}

func (c *runningController) logged() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}

// startController runs a controller until the test ends, ready for reviews.
func startController(t *testing.T, flags ...string) *runningController {
	t.Helper()
	useDefinitions(t)
	shared, err := useControllers()
	if err != nil {
		t.Fatal(err)
	}
	c := new(runningController)
	c.Controller, err = serving.StartController(t.Context(), serving.ControllerConfig{
		Program: shared.program, Kubeconfig: shared.kubeconfig, Namespace: nsSystem, Flags: flags, Log: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.stopGently(t)
		if strings.Contains(c.logged(), " cannot ") {
			t.Error("the controller lacks a right")
		}
		if t.Failed() {
			t.Logf("the controller's log:\n%s", c.logged())
		}
	})
	await(t, "the controller is ready", func() error {
		res, err := http.Get(c.MetricsURL + "/readyz")
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%d", res.StatusCode)
		}
		return err
	})
	return c
}

// stopGently has a controller give its lease back, so that the next one need not wait for it to expire.
func (c *runningController) stopGently(t *testing.T) {
	t.Helper()
	defer c.Stop()
	if c.Signal(os.Interrupt) != nil {
		return // it has ended
	}
	select {
	case <-c.Done():
	case <-time.After(time.Minute):
		t.Error("the controller does not stop")
	}
}

// register has the API server ask the controller about entries, until the test ends.
func (c *runningController) register(t *testing.T) {
	t.Helper()
	name := "ctl-" + strings.NewReplacer("/", "-", "_", "-").Replace(strings.ToLower(t.Name()))
	if _, err := plane.create(validatingPath, c.Registration(name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unregister(t, name) })
	probe := entryJSON(t, "ClusterSidecar", "ctl-probe", "", "  order: {after: [ctl-nobody]}\n")
	await(t, "the webhook is called", func() error {
		if a := ask(t, http.MethodPost, clusterPath+dryRun, "", probe); len(a.Warnings) == 0 {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
}

// unregister returns when the API server asks no more.
func unregister(t *testing.T, name string) {
	t.Helper()
	remove(t, validatingPath+"/"+name)
	probe := entryJSON(t, "ClusterSidecar", "ctl-probe", "", "  order: {after: [ctl-nobody]}\n")
	await(t, "the webhook is not called any more", func() error {
		if a := ask(t, http.MethodPost, clusterPath+dryRun, "", probe); a.Status != http.StatusCreated || len(a.Warnings) > 0 {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
}

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

func TestControllerRefusesBadEntries(t *testing.T) {
	c := startController(t)
	c.register(t)
	good := string(entryJSON(t, "ClusterSidecar", "ctl-bad", "", ""))
	for _, b := range []struct {
		name, old, new string
		want           []string
	}{
		{"a container with an unknown field", `"image":`, `"imaeg":"x","image":`,
			[]string{`spec.containers[0].imaeg`}},
		{"a container without limits", `"limits":{"cpu":"100m","memory":"32Mi"},`, ``,
			[]string{`spec.containers[0].resources.limits.cpu`, `spec.containers[0].resources.limits.memory`}},
		{"a parameter that is not declared", `registry.example/sidecar:1`, `registry.example/sidecar:$(params.tag)`,
			[]string{`spec.containers[0].image`}},
		{"a port name that only validation refuses", `"name":"http"`, `"name":"a-name-of-20-letters"`,
			[]string{`spec.containers[0].ports[0].name`}},
		{"a volume mount without its volume", `"ports":`, `"volumeMounts":[{"name":"ctl-bad-x","mountPath":"/x"}],"ports":`,
			[]string{`spec.containers[0].volumeMounts[0].name`}},
	} {
		t.Run(b.name, func(t *testing.T) {
			if !strings.Contains(good, b.old) {
				t.Fatalf("the good entry has no %q", b.old)
			}
			a := ask(t, http.MethodPost, clusterPath+"?fieldValidation=Strict", "", []byte(strings.Replace(good, b.old, b.new, 1)))
			var s metav1.Status
			if err := json.Unmarshal(a.Body, &s); err != nil {
				t.Fatal(err)
			}
			if a.Status != http.StatusUnprocessableEntity || s.Reason != metav1.StatusReasonInvalid || s.Details == nil || s.Details.Kind != "ClusterSidecar" {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			var fields []string
			for _, cause := range s.Details.Causes {
				fields = append(fields, cause.Field)
				if !strings.Contains(s.Message, cause.Field+": ") {
					t.Errorf("the message does not say %s: %s", cause.Field, s.Message)
				}
			}
			if diff := gocmp.Diff(b.want, fields); diff != "" {
				t.Errorf("(-want +got)\n%s\n%s", diff, s.Message)
			}
			if !strings.Contains(s.Message, `admission webhook "entries.pillion.dev" denied the request`) {
				t.Errorf("it is not the webhook that refuses: %s", s.Message)
			}
		})
	}
}

func TestControllerAcceptsGoodEntries(t *testing.T) {
	c := startController(t)
	c.register(t)
	path, a := createEntry(t, entryJSON(t, "ClusterSidecar", "ctl-good", "", "  order: {after: [ctl-nobody]}\n"))
	if len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "L301: spec.order.after[0]: there is no sidecar ctl-nobody") {
		t.Errorf("warnings: %q", a.Warnings)
	}
	e, ready := awaitReady(t, path, v1alpha1.ReasonProved)
	if e.Status.PodSecurityLevel != "restricted" || len(e.Status.Revision) != 12 {
		t.Errorf("%+v", e.Status)
	}
	if !strings.Contains(ready.Message, "proved at default and boundary values") || strings.Contains(ready.Message, "dry run") {
		t.Errorf("message: %s", ready.Message)
	}
	awaitEvent(t, "ctl-good", "Normal", v1alpha1.ReasonProved, 1)
	wantColumns(t, path, map[string]any{"Ready": "True", "Reason": "Proved", "Level": "restricted", "Revision": e.Status.Revision})

	for _, want := range []string{`pillion_entries{kind="ClusterSidecar",reason="Proved"} 1`, `leader_election_master_status{name="pillion-controller"} 1`,
		`pillion_certificate_not_after_seconds`, `controller_runtime_webhook_requests_total{code="200",webhook="/validate"}`} {
		await(t, "the metrics tell", func() error { return tells(c.MetricsURL+"/metrics", want) })
	}

	// A label is changed at once; so is a status.
	a = ask(t, http.MethodPatch, path, "application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`))
	wantStatus(t, a, http.StatusOK)
	if len(a.Warnings) > 0 {
		t.Errorf("a label is linted: %q", a.Warnings)
	}
	// A bad change is refused, and nothing changes.
	a = ask(t, http.MethodPatch, path, "application/merge-patch+json", []byte(`{"spec":{"parameters":{"unused":{"type":"port"}}}}`))
	wantStatus(t, a, http.StatusUnprocessableEntity)
	if got := refusals(t, a); len(got) != 1 || !strings.HasPrefix(got[0], "spec.parameters[unused]: ") {
		t.Errorf("%q", got)
	}
	// A good one is proved again, under another revision.
	wantStatus(t, ask(t, http.MethodPatch, path, "application/merge-patch+json", []byte(`{"spec":{"description":"Another one."}}`)), http.StatusOK)
	if now, _ := awaitReady(t, path, v1alpha1.ReasonProved); now.Status.Revision == e.Status.Revision {
		t.Errorf("the revision is still %s", e.Status.Revision)
	}
}

// tells looks for a text at a URL.
func tells(url, want string) error {
	res, err := http.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && !strings.Contains(string(body), want) {
		err = fmt.Errorf("no %q in\n%s", want, body)
	}
	return err
}

// TestControllerTakesPoliciesForWarnings has a Namespace whose Pod Security level the sidecar does not meet: that is no mistake
// of the entry.
func TestControllerTakesPoliciesForWarnings(t *testing.T) {
	c := startController(t)
	c.register(t)
	const ns = "ctl-strict"
	if err := plane.namespace(ns, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, nil); err != nil {
		t.Fatal(err)
	}
	object := strings.Replace(string(entryJSON(t, "Sidecar", "ctl-loose", ns, "")), `"runAsNonRoot":true,`, "", 1)
	object = strings.Replace(object, `,"seccompProfile":{"type":"RuntimeDefault"}`, "", 1)
	path, a := createEntry(t, []byte(object))
	if got := strings.Join(a.Warnings, "\n"); !strings.Contains(got, "L901: a dry run in Namespace ctl-strict was refused: ") {
		t.Errorf("warnings: %q", a.Warnings)
	}
	if e, ready := awaitReady(t, path, v1alpha1.ReasonProved); e.Status.PodSecurityLevel == "restricted" || !strings.Contains(ready.Message, "violates PodSecurity") {
		t.Errorf("%+v", e.Status)
	}
}

// wantColumns looks at what kubectl get shows.
func wantColumns(t *testing.T, path string, want map[string]any) {
	t.Helper()
	a := askFor(t, http.MethodGet, path, "", "application/json;as=Table;v=v1;g=meta.k8s.io", nil)
	wantStatus(t, a, http.StatusOK)
	var table metav1.Table
	if err := json.Unmarshal(a.Body, &table); err != nil || len(table.Rows) != 1 {
		t.Fatalf("%v %s", err, a.Body)
	}
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

func TestControllerReportsSmuggledAndShadowedEntries(t *testing.T) {
	startController(t) // and no webhook: who writes is not asked
	good, _ := createEntry(t, entryJSON(t, "ClusterSidecar", "ctl-quiet", "", ""))
	bad, _ := createEntry(t, []byte(strings.Replace(string(entryJSON(t, "ClusterSidecar", "ctl-smuggled", "", "")), `"image":`, `"imaeg":"x","image":`, 1)))
	odd, _ := createEntry(t, []byte(strings.Replace(string(entryJSON(t, "ClusterSidecar", "ctl-odd", "", "")), `"name":"http"`, `"name":"a-name-of-20-letters"`, 1)))
	mine, _ := createEntry(t, entryJSON(t, "Sidecar", "ctl-mine", controllerTenant, ""))
	hidden, _ := createEntry(t, entryJSON(t, "Sidecar", "proxy", controllerTenant, "")) // an embedded entry has that name

	if e, ready := awaitReady(t, bad, v1alpha1.ReasonInvalid); !strings.Contains(ready.Message, "spec.containers[0].imaeg") || e.Status.Revision != "" {
		t.Errorf("%+v", e.Status)
	}
	awaitEvent(t, "ctl-smuggled", "Warning", v1alpha1.ReasonInvalid, 1)
	if _, ready := awaitReady(t, odd, v1alpha1.ReasonRefused); !strings.Contains(ready.Message, "spec.containers[0].ports[0].name: ") ||
		!strings.Contains(ready.Message, "the API server refuses a Pod with it") {
		t.Error(ready.Message)
	}
	if _, ready := awaitReady(t, hidden, v1alpha1.ReasonShadowed); !strings.Contains(ready.Message, "proxy") {
		t.Error(ready.Message)
	}
	awaitReady(t, good, v1alpha1.ReasonProved)
	before, _ := awaitReady(t, mine, v1alpha1.ReasonProved)

	// A ClusterSidecar of the name wins, for as long as it is there.
	wins := ask(t, http.MethodPost, clusterPath, "", entryJSON(t, "ClusterSidecar", "ctl-mine", "", ""))
	wantStatus(t, wins, http.StatusCreated)
	awaitReady(t, mine, v1alpha1.ReasonShadowed)
	remove(t, clusterPath+"/ctl-mine")
	after, _ := awaitReady(t, mine, v1alpha1.ReasonProved)
	if before.Status.Revision != after.Status.Revision {
		t.Errorf("revision %s, then %s", before.Status.Revision, after.Status.Revision)
	}
	// What is mended becomes good.
	wantStatus(t, ask(t, http.MethodPatch, bad, "application/json-patch+json", []byte(`[{"op":"remove","path":"/spec/containers/0/imaeg"}]`)), http.StatusOK)
	awaitReady(t, bad, v1alpha1.ReasonProved)
}

// writes counts the statuses that a controller wrote.
func writes(c *runningController) int { return strings.Count(c.logged(), `"msg":"status"`) }

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

func TestTwoControllersValidateAndOneWrites(t *testing.T) {
	first := startController(t)
	before, _ := createEntry(t, entryJSON(t, "ClusterSidecar", "ctl-before", "", ""))
	awaitReady(t, before, v1alpha1.ReasonProved)
	second := startController(t)
	for i, c := range []*runningController{first, second} {
		t.Run(fmt.Sprint("controller ", i), func(t *testing.T) {
			c.register(t)
			bad := strings.Replace(string(entryJSON(t, "ClusterSidecar", "ctl-two", "", "")), `"image":`, `"imaeg":"x","image":`, 1)
			a := ask(t, http.MethodPost, clusterPath, "", []byte(bad))
			if got := refusals(t, a); len(got) != 1 || !strings.HasPrefix(got[0], "spec.containers[0].imaeg: ") {
				t.Errorf("%d %q", a.Status, got)
			}
			path, _ := createEntry(t, entryJSON(t, "ClusterSidecar", "ctl-two", "", ""))
			awaitReady(t, path, v1alpha1.ReasonProved)
		})
	}
	if n := writes(second); n != 0 {
		t.Errorf("the second wrote %d times", n)
	}

	// The one that led is killed: the other one goes on, once the lease has expired.
	first.Stop()
	wantStatus(t, ask(t, http.MethodPatch, before, "application/merge-patch+json", []byte(`{"spec":{"flushSeconds":7}}`)), http.StatusOK)
	awaitReady(t, before, v1alpha1.ReasonProved)
	// The log says so after the API server does.
	await(t, "the second writes", func() error {
		if writes(second) == 0 {
			return errors.New("it has not")
		}
		return nil
	})
}

func TestControllerConvergesAfterARestart(t *testing.T) {
	first := startController(t)
	kept, _ := createEntry(t, entryJSON(t, "ClusterSidecar", "ctl-kept", "", ""))
	e, was := awaitReady(t, kept, v1alpha1.ReasonProved)
	first.stopGently(t)
	bad, _ := createEntry(t, []byte(strings.Replace(string(entryJSON(t, "ClusterSidecar", "ctl-late", "", "")), `"image":`, `"imaeg":"x","image":`, 1)))
	if _, err := plane.create("/api/v1/namespaces/"+controllerTenant+"/pods", carrier("late", "ctl-kept", e.Status.Revision)); err != nil {
		t.Fatal(err)
	}
	startController(t)
	awaitReady(t, bad, v1alpha1.ReasonInvalid)
	awaitCounts(t, kept, v1alpha1.PodCounts{Current: 1})
	if _, now := awaitReady(t, kept, v1alpha1.ReasonProved); now != was {
		t.Errorf("the condition was %+v and is %+v", was, now)
	}
	awaitEvent(t, "ctl-kept", "Normal", v1alpha1.ReasonProved, 1)
}

// TestControllerMayOnlyDryRunPods uses the controller's own token.
func TestControllerMayOnlyDryRunPods(t *testing.T) {
	useDefinitions(t)
	shared, err := useControllers()
	if err != nil {
		t.Fatal(err)
	}
	as := func(method, path string, body []byte) *serving.Answer {
		transport := plane.client.Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = nil
		defer transport.CloseIdleConnections()
		a, err := serving.Do(&http.Client{Transport: bearer{shared.token, transport}}, method, plane.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	pod := []byte(`{"metadata":{"name":"web"},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`)
	pods := "/api/v1/namespaces/" + controllerTenant + "/pods"
	await(t, "the policy is in force", func() error {
		a := as(http.MethodPost, pods, pod)
		if a.Status == http.StatusCreated {
			remove(t, pods+"/web?gracePeriodSeconds=0")
		}
		if a.Status != http.StatusForbidden || !strings.Contains(a.Message(), "by dry run only") {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
	wantStatus(t, as(http.MethodPost, pods+"?dryRun=All", pod), http.StatusCreated)
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPost, clusterPath, string(entryJSON(t, "ClusterSidecar", "ctl-own", "", ""))},
		{http.MethodGet, "/api/v1/secrets", ""},
		{http.MethodDelete, pods + "/web", ""},
		{http.MethodPost, "/api/v1/namespaces/" + controllerTenant + "/pods/web/exec", ""},
	} {
		if a := as(c.method, c.path, []byte(c.body)); a.Status != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.Status, a.Message())
		}
	}
	// Others create Pods as ever.
	wantStatus(t, ask(t, http.MethodPost, pods+"?dryRun=All", "", pod), http.StatusCreated)
	wantStatus(t, ask(t, http.MethodPost, pods, "", pod), http.StatusCreated)
	remove(t, pods+"/web?gracePeriodSeconds=0")
}

// bearer sends a token.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}
