package chart

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// provided are the values of a release whose certificates are given, as nobody here makes any.
const provided = "certs.mode=provided,certs.provided.webhookSecret=a,certs.provided.controllerSecret=b,certs.provided.caBundle=-----BEGIN CERTIFICATE-----"

// TestProgramsServeWithTheirRights runs both programs with their arguments, as their ServiceAccounts, and has them do all
// that they do; then every metric that an alert or a dashboard names is one that they, or the API server, have.
func TestProgramsServeWithTheirRights(t *testing.T) {
	all := useChart(t)
	pods := templates(t, objects(t, render(t, "--set", provided, "--set", "controller.extraArgs={--audit-interval=1s}")))
	webhook, controller := start(t, pods["pillion"]), start(t, pods["pillion-controller"])
	mutating, validating := ofKind(t, all, "MutatingWebhookConfiguration")[0], ofKind(t, all, "ValidatingWebhookConfiguration")[0]
	apply(t, mutating, withURL(t, mutating, webhook.address, webhook.ca), "")
	apply(t, validating, withURL(t, validating, controller.address, controller.ca), "")
	defer func() {
		apply(t, mutating, withURL(t, mutating, deadURL, nil), "")
		apply(t, validating, withURL(t, validating, deadURL, nil), "")
	}()

	const entries = "/apis/pillion.dev/v1alpha1/clustersidecars"
	entry := map[string]any{"apiVersion": "pillion.dev/v1alpha1", "kind": "ClusterSidecar", "metadata": map[string]any{"name": "rider"}, "spec": map[string]any{
		"description": "Waits beside the app.",
		"containers": []any{map[string]any{
			"name": "rider", "image": "rider:1",
			"resources":       map[string]any{"requests": map[string]any{"cpu": "1m", "memory": "1Mi"}, "limits": map[string]any{"cpu": "1m", "memory": "1Mi"}},
			"securityContext": map[string]any{"runAsNonRoot": true, "allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}}, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
		}},
	}}
	await(t, "an entry is written, as the controller finds it good", func() error {
		if a := do(t, http.MethodPost, entries, entry); a.Status != http.StatusCreated && a.Status != http.StatusConflict {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
	await(t, "its status is written, after a dry run", func() error {
		if a := do(t, http.MethodGet, entries+"/rider", nil); !strings.Contains(string(a.Body), `"reason":"Proved"`) {
			return errors.New(string(a.Body))
		}
		return nil
	})
	makeNamespace(t, "riders", nil, map[string]string{inject: "rider"})
	await(t, "a Pod gets the entry", func() error {
		a := do(t, http.MethodPost, "/api/v1/namespaces/riders/pods?dryRun=All", pod("p", map[string]string{inject: "rider"}))
		if a.Status != http.StatusCreated || !strings.Contains(string(a.Body), `"name":"rider"`) {
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return nil
	})
	advises(t)
	bareDeployment(t, "riders")
	for name, at := range queried(t) {
		if ofTheNode.MatchString(name) || ofSidecars.MatchString(name) {
			continue // test/e2e looks at the node's, on a node, and test/sidecars at the sidecars'
		}
		await(t, at+" looks at "+name, func() error {
			for _, url := range []string{webhook.metrics, controller.metrics} {
				if text, err := fetch(url + "/metrics"); err != nil || strings.Contains(text, "\n# TYPE "+name+" ") {
					return err
				}
			}
			if strings.Contains(string(do(t, http.MethodGet, "/metrics", nil).Body), "\n# TYPE "+name+" ") {
				return nil
			}
			return errors.New("nobody has it")
		})
	}
	for _, r := range []*running{webhook, controller} {
		if log := r.stop(); strings.Contains(log, "forbidden") || strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("%s", log)
		}
	}
}

// advises writes workloads, of which those that speak to Pillion get its warnings, and the others are never shown to it.
func advises(t *testing.T) {
	t.Helper()
	makeNamespace(t, "advised", nil, nil)
	makeNamespace(t, "advised-enabled", map[string]string{label: "enabled"}, map[string]string{inject: "rider"})
	labels := map[string]string{"app": "a"}
	template := func(annotations map[string]string) map[string]any {
		out := pod("", annotations, func(spec map[string]any) { spec["restartPolicy"] = "Always" })
		out["metadata"] = map[string]any{"labels": labels, "annotations": annotations}
		return out
	}
	deployment := func(own, of map[string]string) map[string]any {
		return map[string]any{"metadata": map[string]any{"generateName": "d-", "annotations": own},
			"spec": map[string]any{"selector": map[string]any{"matchLabels": labels}, "template": template(of)}}
	}
	cronJob := func(of map[string]string) map[string]any {
		t := template(of)
		t["spec"].(map[string]any)["restartPolicy"] = "Never"
		return map[string]any{"metadata": map[string]any{"generateName": "c-"},
			"spec": map[string]any{"schedule": "@daily", "jobTemplate": map[string]any{"spec": map[string]any{"template": t}}}}
	}
	typo, asks := map[string]string{inject: "ridder"}, map[string]string{inject: "rider"}
	const deployments, cronJobs = "/apis/apps/v1/namespaces/%s/deployments?dryRun=All", "/apis/batch/v1/namespaces/%s/cronjobs?dryRun=All"
	for _, row := range []struct {
		name, path, ns string
		object         map[string]any
		want           string
	}{
		{"a wrong name", deployments, "advised", deployment(nil, typo), `no such sidecar; did you mean "rider"?`},
		{"a wrong name in a CronJob", cronJobs, "advised", cronJob(typo), `no such sidecar; did you mean "rider"?`},
		{"an annotation at the wrong place", deployments, "advised", deployment(asks, nil), "move it there"},
		{"a wrong name where the Namespace is enabled", deployments, "advised-enabled", deployment(nil, typo), `no such sidecar`},
		{"what changes for the better is said too", deployments, "advised", deployment(nil, asks), "P201"},
		{"nobody asks", deployments, "advised", deployment(nil, nil), ""},
	} {
		await(t, row.name, func() error {
			a := do(t, http.MethodPost, fmt.Sprintf(row.path, row.ns), row.object)
			if got := strings.Join(a.Warnings, " "); a.Status != http.StatusCreated || !strings.Contains(got, row.want) || row.want == "" && got != "" {
				return fmt.Errorf("%d %s: warnings %q", a.Status, a.Message(), got)
			}
			return nil
		})
	}
	calls := func() string {
		for line := range strings.Lines(string(do(t, http.MethodGet, "/metrics", nil).Body)) {
			if strings.HasPrefix(line, `apiserver_admission_webhook_request_total{`) && strings.Contains(line, `name="workloads.pillion.dev"`) {
				return line
			}
		}
		return ""
	}
	before := calls()
	if before == "" {
		t.Fatal("the API server counts no calls")
	}
	for range 20 {
		if a := do(t, http.MethodPost, fmt.Sprintf(deployments, "advised"), deployment(nil, nil)); a.Status != http.StatusCreated {
			t.Fatalf("%d %s", a.Status, a.Message())
		}
	}
	if after := calls(); after != before {
		t.Errorf("calls before and after:\n%s%s", before, after)
	}
}

// bareDeployment makes a Deployment whose Pods come without the sidecars that their Namespace asks for, and waits for the
// event by which its owner is told.
func bareDeployment(t *testing.T, ns string) {
	t.Helper()
	labels := map[string]any{"app": "bare"}
	template := pod("", nil)
	template["metadata"] = map[string]any{"labels": labels}
	object := map[string]any{"metadata": map[string]any{"name": "bare"}, "spec": map[string]any{"selector": map[string]any{"matchLabels": labels}, "template": template}}
	if a := do(t, http.MethodPost, "/apis/apps/v1/namespaces/"+ns+"/deployments", object); a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Message())
	}
	await(t, "a bare Pod", func() error {
		if a := do(t, http.MethodGet, "/api/v1/namespaces/"+ns+"/pods", nil); !strings.Contains(string(a.Body), `"name":"bare-`) {
			return errors.New(a.Message())
		}
		return nil
	})
	if a := do(t, http.MethodPatch, "/api/v1/namespaces/"+ns, []byte(`{"metadata":{"labels":{"pillion.dev/injection":"enabled"}}}`)); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Message())
	}
	// Its ServiceAccount's rights do not make this Pod run: nothing here has a node.
	await(t, "the Deployment is told", func() error {
		a := do(t, http.MethodGet, "/apis/events.k8s.io/v1/namespaces/"+ns+"/events", nil)
		var list struct {
			Items []struct {
				Reason    string
				Regarding struct{ Kind, Name string }
			}
		}
		if err := json.Unmarshal(a.Body, &list); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Reason == "SidecarsMissing" && e.Regarding.Kind == "Deployment" && e.Regarding.Name == "bare" {
				return nil
			}
		}
		return fmt.Errorf("events: %+v", list.Items)
	})
}
