package chart

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/serving"
)

// TestInstallUpgradeUninstall has helm do it, on an API server of its own, with certificates that are provided.
func TestInstallUpgradeUninstall(t *testing.T) {
	control, err := cluster.Start(t.Context(), cluster.Config{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer control.Stop()
	run := func(args ...string) string {
		t.Helper()
		out, errs, err := helm(t, append(args, "--kubeconfig", control.Kubeconfig(), "--namespace", namespace)...)
		if err != nil {
			t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, errs)
		}
		if strings.Contains(errs, "WARN") {
			t.Errorf("helm %s: %s", strings.Join(args, " "), errs)
		}
		return out
	}
	// names gives those of a collection that are ours.
	names := func(path string) []string {
		t.Helper()
		a, err := serving.Do(control.HTTPClient(), http.MethodGet, control.URL()+path, nil)
		var list struct {
			Items []struct{ Metadata struct{ Name string } }
		}
		if err == nil {
			err = json.Unmarshal(a.Body, &list)
		}
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, item := range list.Items {
			if strings.Contains(item.Metadata.Name, "pillion") {
				out = append(out, item.Metadata.Name)
			}
		}
		slices.Sort(out)
		return out
	}
	const (
		admission   = "/apis/admissionregistration.k8s.io/v1/"
		definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	)
	collections := []string{
		admission + "mutatingwebhookconfigurations", admission + "validatingwebhookconfigurations",
		admission + "validatingadmissionpolicies", admission + "validatingadmissionpolicybindings",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
		"/apis/apps/v1/namespaces/" + namespace + "/deployments", "/api/v1/namespaces/" + namespace + "/services",
	}
	values := filepath.Join(t.TempDir(), "values.yaml")
	text := "certs: {mode: provided, provided: {webhookSecret: a, controllerSecret: b, caBundle: " +
		string(mustJSON(t, string(control.CA()))) + "}}\n"
	if err := os.WriteFile(values, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	notes := run("install", "pillion", chartDir, "--create-namespace", "--values", values)
	for _, want := range []string{"helm test pillion", "pillion.dev/inject: proxy", "kubectl delete mutatingwebhookconfiguration pillion"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes lack %q:\n%s", want, notes)
		}
	}
	for _, path := range collections {
		if len(names(path)) == 0 {
			t.Errorf("nothing is at %s", path)
		}
	}
	run("upgrade", "pillion", chartDir, "--values", values, "--set", "profile=ha,admission.proveEntries=false")
	if got := names(admission + "validatingwebhookconfigurations"); got != nil {
		t.Errorf("after the upgrade there is %v", got)
	}
	run("rollback", "pillion", "1")
	if diff := cmp.Diff([]string{"pillion"}, names(admission+"validatingwebhookconfigurations")); diff != "" {
		t.Errorf("after the rollback (-want +got)\n%s", diff)
	}
	// The emergency stop of the notes, and the way back.
	for _, path := range []string{"mutatingwebhookconfigurations/pillion", "validatingadmissionpolicybindings/pillion-injected"} {
		if a, err := serving.Do(control.HTTPClient(), http.MethodDelete, control.URL()+admission+path, nil); err != nil || a.Status != http.StatusOK {
			t.Fatal(err, a)
		}
	}
	run("upgrade", "pillion", chartDir, "--reuse-values")
	for _, path := range collections {
		if len(names(path)) == 0 {
			t.Errorf("the way back leaves out %s", path)
		}
	}
	bindings := []string{"pillion-dry-run", "pillion-frozen", "pillion-injected"}
	if diff := cmp.Diff(bindings, names(admission+"validatingadmissionpolicybindings")); diff != "" {
		t.Errorf("after the way back (-want +got)\n%s", diff)
	}
	run("uninstall", "pillion")
	for _, path := range collections {
		await(t, "nothing is left", func() error {
			if got := names(path); got != nil {
				return errLeft(path + " " + strings.Join(got, " "))
			}
			return nil
		})
	}
	if diff := cmp.Diff([]string{"clustersidecars.pillion.dev", "sidecars.pillion.dev"}, names(definitions)); diff != "" {
		t.Errorf("definitions that are kept (-want +got)\n%s", diff)
	}
	// What was kept is taken over by the next release.
	run("install", "pillion", chartDir, "--values", values)
}

type errLeft string

func (e errLeft) Error() string { return "there is " + string(e) }

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
