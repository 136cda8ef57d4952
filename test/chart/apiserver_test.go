package chart

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/test/serving"
)

func TestAPIServerTakesEveryObject(t *testing.T) {
	useChart(t)
	t.Run("everything there is", func(t *testing.T) {
		for name, args := range variants(t) {
			t.Run(name, func(t *testing.T) {
				for _, o := range objects(t, render(t, args...)) {
					if o.Kind == "Pod" { // its ServiceAccount is not there
						continue
					}
					if o.Namespace == "" && o.Kind == "ConfigMap" {
						o.Namespace = namespace
					}
					apply(t, o, o.JSON, "&dryRun=All")
				}
			})
		}
	})
	// In a Namespace that enforces the level restricted, with the priority class that the chart asks for.
	for component, want := range map[string]int{"webhook": 2, "controller": 1} {
		await(t, "Pods of the "+component, func() error {
			a := do(t, http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods?labelSelector=app.kubernetes.io/component="+component, nil)
			var list struct {
				Items []struct {
					Spec struct{ PriorityClassName string }
				}
			}
			if err := json.Unmarshal(a.Body, &list); err != nil {
				return err
			}
			if len(list.Items) != want || list.Items[0].Spec.PriorityClassName != "system-cluster-critical" {
				return fmt.Errorf("there are %+v", list.Items)
			}
			return nil
		})
	}
}

// TestPoliciesHaveNoTypeErrors reads what the API server says of each policy's expressions.
func TestPoliciesHaveNoTypeErrors(t *testing.T) {
	for _, o := range ofKind(t, useChart(t), "ValidatingAdmissionPolicy") {
		await(t, o.String()+" is checked", func() error {
			a := do(t, http.MethodGet, "/apis/"+o.APIVersion+"/validatingadmissionpolicies/"+o.Name, nil)
			var v struct {
				Metadata struct{ Generation int64 }
				Status   struct {
					ObservedGeneration int64
					TypeChecking       *struct{ ExpressionWarnings []any }
				}
			}
			if err := json.Unmarshal(a.Body, &v); err != nil {
				return err
			}
			if v.Status.ObservedGeneration != v.Metadata.Generation || v.Status.TypeChecking == nil {
				return errors.New("not checked yet")
			}
			if w := v.Status.TypeChecking.ExpressionWarnings; len(w) > 0 {
				t.Errorf("%s: %v", o, w)
			}
			return nil
		})
	}
}

// What becomes of a Pod while nobody answers for the webhook.
const (
	created = "created"
	refused = "refused by the policy"
	closed  = "refused for want of the webhook"
)

// outage is one row of the table of what happens while the webhook is down.
type outage struct {
	name string
	// label and defaults are the Namespace's.
	label    string
	defaults map[string]string
	pod      map[string]string
	tweak    func(map[string]any)
	want     string
}

func outages() []outage {
	asks := map[string]string{inject: "proxy"}
	return []outage{
		{name: "unrelated", want: created},
		{name: "asks", pod: asks, want: refused},
		{name: "asks for two and has one", pod: map[string]string{inject: "proxy, log-shipper"}, tweak: withContainer("proxy"), want: refused},
		{name: "asks and has it", pod: asks, tweak: withContainer("proxy"), want: created},
		{name: "has one whose name only begins so", pod: asks, tweak: withContainer("proxy-config"), want: refused},
		{name: "has one of which the name is the beginning", pod: map[string]string{inject: "log-shipper"}, tweak: withContainer("log"), want: refused},
		{name: "opts out", pod: map[string]string{inject: "false"}, want: created},
		{name: "opts out with blanks", pod: map[string]string{inject: " false "}, want: created},
		{name: "opts out and asks", pod: map[string]string{inject: "false,proxy"}, want: refused},
		{name: "asks for nothing", pod: map[string]string{inject: " "}, want: created},
		{name: "ignores", pod: map[string]string{inject: "proxy", policy: "Ignore"}, want: created},
		{name: "ignores, wrongly written", pod: map[string]string{inject: "proxy", policy: "ignore"}, want: refused},
		{name: "asks on the host network", pod: asks, tweak: onHostNetwork, want: refused},
		{name: "asks on Windows", pod: asks, tweak: onWindows, want: refused},

		{name: "unlabelled Namespace asks", defaults: asks, want: created},
		{name: "unlabelled Namespace ignores", defaults: map[string]string{policy: "Ignore"}, pod: asks, want: created},
		{name: "other label", label: "disabled", defaults: asks, want: created},

		{name: "enabled, nobody asks", label: "enabled", want: created},
		{name: "enabled, Namespace asks", label: "enabled", defaults: asks, want: refused},
		{name: "enabled, Namespace asks and Pod has it", label: "enabled", defaults: asks, tweak: withContainer("proxy"), want: created},
		{name: "enabled, Pod opts out", label: "enabled", defaults: asks, pod: map[string]string{inject: "false"}, want: created},
		{name: "enabled, Pod asks for another", label: "enabled", defaults: asks, pod: map[string]string{inject: "adapter"}, tweak: withContainer("adapter"), want: created},
		{name: "enabled, Pod ignores", label: "enabled", defaults: asks, pod: map[string]string{policy: "Ignore"}, want: created},
		{name: "enabled, Namespace ignores", label: "enabled", defaults: map[string]string{inject: "proxy", policy: "Ignore"}, want: created},
		{name: "enabled, Namespace ignores and Pod does not", label: "enabled", defaults: map[string]string{inject: "proxy", policy: "Ignore"},
			pod: map[string]string{policy: "Fail"}, want: refused},
		{name: "enabled, host network", label: "enabled", defaults: asks, tweak: onHostNetwork, want: created},
		{name: "enabled, Windows", label: "enabled", defaults: asks, tweak: onWindows, want: created},
		{name: "enabled, Pod asks on the host network", label: "enabled", pod: asks, tweak: onHostNetwork, want: refused},

		{name: "required, nobody asks", label: "required", want: closed},
		{name: "required, Pod opts out", label: "required", pod: map[string]string{inject: "false"}, want: closed},
		{name: "required, Pod ignores", label: "required", pod: map[string]string{inject: "proxy", policy: "Ignore"}, want: closed},
		{name: "required, Pod has it", label: "required", pod: asks, tweak: withContainer("proxy"), want: closed},
	}
}

func TestWhileTheWebhookIsDown(t *testing.T) {
	useChart(t)
	for i, row := range outages() {
		t.Run(row.name, func(t *testing.T) {
			name := fmt.Sprintf("down-%d", i)
			labels := map[string]string{}
			if row.label != "" {
				labels[label] = row.label
			}
			makeNamespace(t, name, labels, row.defaults)
			var tweaks []func(map[string]any)
			if row.tweak != nil {
				tweaks = append(tweaks, row.tweak)
			}
			got := outcome(t, name, pod("p", row.pod, tweaks...))
			if got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

func TestRefusalNamesWhatIsMissing(t *testing.T) {
	useChart(t)
	makeNamespace(t, "refusal", nil, nil)
	a := do(t, http.MethodPost, "/api/v1/namespaces/refusal/pods", pod("p", map[string]string{inject: "proxy,adapter,log-shipper"}, withContainer("adapter")))
	want := "pillion: sidecars asked for but not injected: proxy, log-shipper; is the webhook up? kubectl -n pillion-system get deployment pillion" +
		"; controllers try again by themselves; a Pod that can do without says pillion.dev/failure-policy: Ignore"
	if a.Status != http.StatusForbidden || !strings.HasSuffix(a.Message(), want) {
		t.Errorf("%d %s\nwant %s", a.Status, a.Message(), want)
	}
}

func TestLeftAloneAreSystemNamespacesAndMirrorPods(t *testing.T) {
	useChart(t)
	asks := map[string]string{inject: "proxy"}
	if a := do(t, http.MethodPost, "/api/v1/namespaces/kube-system/pods?dryRun=All", pod("p", asks)); a.Status != http.StatusCreated {
		t.Errorf("kube-system: %d %s", a.Status, a.Message())
	}
	makeNamespace(t, "mirror", map[string]string{label: "required"}, nil)
	mirror := map[string]string{inject: "proxy", "kubernetes.io/config.mirror": "x"}
	created := do(t, http.MethodPost, "/api/v1/nodes", map[string]any{"metadata": map[string]any{"name": "n"}})
	var node struct{ Metadata struct{ UID string } }
	if err := json.Unmarshal(created.Body, &node); err != nil || node.Metadata.UID == "" {
		t.Fatal(err, created.Message())
	}
	owner := map[string]any{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": node.Metadata.UID, "controller": true}
	object := pod("p", mirror, func(spec map[string]any) { spec["nodeName"] = "n" })
	object["metadata"].(map[string]any)["ownerReferences"] = []any{owner}
	path := "/api/v1/namespaces/mirror/pods?dryRun=All"
	if a := do(t, http.MethodPost, path, object); a.Status != http.StatusInternalServerError {
		t.Errorf("anyone with the annotation: %d %s", a.Status, a.Message())
	}
	// RBAC does not know nodes here, so this one may do everything too. The API server's view of nodes may be a moment old.
	as := []string{"system:node:n", "system:nodes", "system:masters"}
	await(t, "a node makes a mirror Pod", func() error {
		if a := do(t, http.MethodPost, path, object, as...); a.Status != http.StatusCreated {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
}

func TestEntriesAreNotWrittenUnproved(t *testing.T) {
	useChart(t)
	entry := []byte(`{"apiVersion":"pillion.dev/v1alpha1","kind":"ClusterSidecar","metadata":{"name":"e"},
		"spec":{"description":"One.","containers":[{"name":"e","image":"e:1"}]}}`)
	await(t, "an entry is refused for want of the controller", func() error {
		a := do(t, http.MethodPost, "/apis/pillion.dev/v1alpha1/clustersidecars?dryRun=All", entry)
		if a.Status != http.StatusInternalServerError || !strings.Contains(a.Message(), `failed calling webhook "entries.pillion.dev"`) {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
}

// TestUnrelatedPodsAreNoBusinessOfOurs counts the calls that the API server made, or tried to.
func TestUnrelatedPodsAreNoBusinessOfOurs(t *testing.T) {
	useChart(t)
	makeNamespace(t, "unrelated", nil, map[string]string{inject: "proxy"})
	calls := func() string {
		var of []string
		for line := range strings.Lines(string(do(t, http.MethodGet, "/metrics", nil).Body)) {
			if strings.HasPrefix(line, "apiserver_admission_webhook_request_total{") && strings.Contains(line, ".pillion.dev") {
				of = append(of, line)
			}
		}
		slices.Sort(of)
		return strings.Join(of, "")
	}
	if a := do(t, http.MethodPost, "/api/v1/namespaces/probe-policy/pods?dryRun=All", pod("p", map[string]string{inject: "x"})); a.Status != http.StatusForbidden {
		t.Fatalf("%d %s", a.Status, a.Message())
	}
	before := calls()
	if before == "" {
		t.Fatal("the API server counts no calls")
	}
	for i := range 200 {
		if a := do(t, http.MethodPost, "/api/v1/namespaces/unrelated/pods?dryRun=All", pod(fmt.Sprint("p", i), nil)); a.Status != http.StatusCreated {
			t.Fatalf("%d %s", a.Status, a.Message())
		}
	}
	if after := calls(); after != before {
		t.Errorf("calls before and after:\n%s\n%s", before, after)
	}
}

func TestAnnotationsOfAPodAreFrozen(t *testing.T) {
	useChart(t)
	makeNamespace(t, "frozen", nil, nil)
	annotations := map[string]string{inject: "proxy", policy: "Ignore", "pillion.dev/status": "{}", "example.com/a": "b"}
	if a := do(t, http.MethodPost, "/api/v1/namespaces/frozen/pods", pod("p", annotations)); a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Message())
	}
	for change, key := range map[string]string{
		`{"annotations":{"pillion.dev/status":"x"}}`:                   "pillion.dev/status",
		`{"annotations":{"pillion.dev/inject":null}}`:                  inject,
		`{"annotations":{"pillion.dev/file.a.b":"x"}}`:                 "pillion.dev/file.a.b",
		`{"labels":{"pillion.dev/injected":"true"}}`:                   "pillion.dev/injected",
		`{"annotations":null}`:                                         inject,
		`{"annotations":{"example.com/a":"c"}}`:                        "",
		`{"annotations":{"example.com/d":"e"},"labels":{"f":"g"}}`:     "",
		`{"annotations":{"pillion.dev/inject":"proxy"},"labels":null}`: "",
	} {
		for _, resource := range []string{"", "/status"} {
			a := do(t, http.MethodPatch, "/api/v1/namespaces/frozen/pods/p"+resource+"?dryRun=All", []byte(`{"metadata":`+change+`}`))
			switch {
			case key == "" && a.Status != http.StatusOK:
				t.Errorf("%s%s: %d %s", change, resource, a.Status, a.Message())
			case key != "" && (a.Status != http.StatusForbidden || !strings.Contains(a.Message(), "a Pod keeps what it was created with: ") || !strings.Contains(a.Message(), key)):
				t.Errorf("%s%s: %d %s", change, resource, a.Status, a.Message())
			}
		}
	}
}

func TestRightsAreNoMoreThanWanted(t *testing.T) {
	useChart(t)
	makeNamespace(t, "rights", nil, nil)
	const pods = "/api/v1/namespaces/rights/pods"
	for _, row := range []struct {
		as, method, path string
		object           any
		want             int
		says             string
	}{
		{webhook, http.MethodGet, "/api/v1/namespaces", nil, 200, ""},
		{webhook, http.MethodGet, "/apis/pillion.dev/v1alpha1/sidecars", nil, 200, ""},
		{webhook, http.MethodGet, "/api/v1/secrets", nil, 403, "cannot list"},
		{webhook, http.MethodGet, "/api/v1/pods", nil, 403, "cannot list"},
		{webhook, http.MethodPost, pods + "?dryRun=All", pod("p", nil), 403, "cannot create"},
		{controller, http.MethodGet, "/api/v1/pods", nil, 200, ""},
		{controller, http.MethodGet, "/api/v1/secrets", nil, 403, "cannot list"},
		{controller, http.MethodPost, pods + "?dryRun=All", pod("p", nil), 201, ""},
		{controller, http.MethodPost, pods, pod("p", nil), 403, "in a dry run only"},
		{controller, http.MethodDelete, pods + "/p", nil, 403, "cannot delete"},
	} {
		await(t, "rights are known", func() error {
			a := do(t, row.method, row.path, row.object, row.as)
			if a.Status != row.want || row.says != "" && !strings.Contains(a.Message(), row.says) {
				return fmt.Errorf("%s %s as %s: %d %s", row.method, row.path, row.as, a.Status, a.Message())
			}
			return nil
		})
	}
}

// TestTheWebhookAnswers lets the same objects call a webhook that lives, and then takes it away again.
func TestTheWebhookAnswers(t *testing.T) {
	all := useChart(t)
	makeNamespace(t, "up", nil, nil)
	makeNamespace(t, "up-enabled", map[string]string{label: "enabled"}, map[string]string{inject: "proxy", "pillion.dev/proxy.upstream-port": "8081"})
	makeNamespace(t, "up-required", map[string]string{label: "required"}, map[string]string{inject: "proxy", "pillion.dev/proxy.upstream-port": "8081"})
	server, err := serving.Start(t.Context(), serving.Config{Kubeconfig: plane.kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	config := ofKind(t, all, "MutatingWebhookConfiguration")[0]
	apply(t, config, withURL(t, config, strings.TrimSuffix(server.URL, "/mutate"), server.CA), "")

	asks := map[string]string{inject: "proxy", "pillion.dev/proxy.upstream-port": "8081"}
	for name, annotations := range map[string]map[string]string{"up": asks, "up-enabled": nil, "up-required": {inject: "false"}} {
		await(t, "a Pod in "+name+" is injected", func() error {
			a := do(t, http.MethodPost, "/api/v1/namespaces/"+name+"/pods?dryRun=All", pod("p", annotations))
			if a.Status != http.StatusCreated || !strings.Contains(string(a.Body), `"pillion.dev/injected":"true"`) {
				return fmt.Errorf("%d %s", a.Status, a.Message())
			}
			return nil
		})
	}
	// What the webhook refuses is refused with its words, not the policy's.
	a := do(t, http.MethodPost, "/api/v1/namespaces/up/pods?dryRun=All", pod("p", map[string]string{inject: "proxi"}))
	if a.Status != http.StatusForbidden || !strings.Contains(a.Message(), `did you mean "proxy"`) {
		t.Errorf("%d %s", a.Status, a.Message())
	}
	// The Pod of `helm test` does what it is for, as the user that it is.
	var test struct{ Data map[string]string }
	i := slices.IndexFunc(all, func(o *object) bool { return o.Kind == "ConfigMap" && o.Name == "pillion-test" })
	if err := json.Unmarshal(all[i].JSON, &test); err != nil {
		t.Fatal(err)
	}
	object := objects(t, test.Data["pod.yaml"])[0].JSON
	tester := "system:serviceaccount:pillion-system:pillion-test"
	if a := do(t, http.MethodPost, "/api/v1/namespaces/default/pods?dryRun=All", object, tester); a.Status != http.StatusCreated {
		t.Errorf("helm test: %d %s", a.Status, a.Message())
	}
	server.Stop()
	a = do(t, http.MethodPost, "/api/v1/namespaces/default/pods?dryRun=All", object, tester)
	if a.Status != http.StatusForbidden || !strings.Contains(a.Message(), "asked for but not injected: proxy") {
		t.Errorf("helm test without a webhook: %d %s", a.Status, a.Message())
	}
}
