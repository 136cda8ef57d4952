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
