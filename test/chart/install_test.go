package chart

import (
	"encoding/json"
	"fmt"
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

// bed is an API server on which helm installs, and the values that it installs with: certificates that are provided.
type bed struct {
	*testing.T
	control       *cluster.Cluster
	which, values string
}

const admission = "/apis/admissionregistration.k8s.io/v1/"

// newBed starts an API server for one test.
func newBed(t *testing.T) *bed {
	t.Helper()
	control, err := cluster.Start(t.Context(), cluster.Config{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(control.Stop)
	values := filepath.Join(t.TempDir(), "values.yaml")
	ca, err := json.Marshal(string(control.CA()))
	if err == nil {
		text := fmt.Sprintf("certs: {mode: provided, provided: {webhookSecret: a, controllerSecret: b, caBundle: %s}}\n", ca)
		err = os.WriteFile(values, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &bed{control: control, values: values}
}

// with gives the bed to a test, and a helm.
func (b *bed) with(t *testing.T, which string) *bed {
	return &bed{T: t, control: b.control, which: which, values: b.values}
}

// try runs helm in the release's Namespace.
func (b *bed) try(args ...string) (stdout string, err error) {
	b.Helper()
	out, errs, err := runHelm(b.T, b.which, append(args, "--kubeconfig", b.control.Kubeconfig(), "--namespace", namespace)...)
	if err != nil {
		return out, fmt.Errorf("%s %s: %w\n%s", b.which, strings.Join(args, " "), err, errs)
	}
	if strings.Contains(errs, "WARN") {
		b.Errorf("%s %s: %s", b.which, strings.Join(args, " "), errs)
	}
	return out, nil
}

func (b *bed) helm(args ...string) string {
	b.Helper()
	out, err := b.try(args...)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func (b *bed) do(method, path string, body []byte) *serving.Answer {
	b.Helper()
	a, err := serving.Do(b.control.HTTPClient(), method, b.control.URL()+path, body)
	if err != nil {
		b.Fatal(err)
	}
	return a
}

// webhooks names what is registered at the API server, policies too.
func (b *bed) webhooks() (names []string) {
	b.Helper()
	for _, kind := range []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicybindings"} {
		var list struct {
			Items []struct{ Metadata struct{ Name string } }
		}
		if err := json.Unmarshal(b.do(http.MethodGet, admission+kind, nil).Body, &list); err != nil {
			b.Fatal(err)
		}
		for _, item := range list.Items {
			names = append(names, kind+"/"+item.Metadata.Name)
		}
	}
	return names
}

func (b *bed) wantWebhooks(when string, want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.webhooks()); diff != "" {
		b.Errorf("%s (-want +got)\n%s", when, diff)
	}
}

// What the chart registers.
var (
	mutating   = "mutatingwebhookconfigurations/pillion"
	validating = "validatingwebhookconfigurations/pillion"
	policies   = []string{"validatingadmissionpolicybindings/pillion-dry-run", "validatingadmissionpolicybindings/pillion-frozen", "validatingadmissionpolicybindings/pillion-injected"}
	everything = append([]string{mutating, validating}, policies...)
)

// TestReleases goes through the life of a release with either helm: nothing that it leaves blocks anything.
func TestReleases(t *testing.T) {
	for _, which := range helms {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			b := newBed(t).with(t, which)
			before := b.inventory()
			notes := b.helm("install", "pillion", chartDir, "--create-namespace", "--values", b.values)
			for _, want := range []string{"helm test pillion", "pillion.dev/inject: proxy", "kubectl delete mutatingwebhookconfiguration pillion"} {
				if !strings.Contains(notes, want) {
					t.Errorf("the notes lack %q:\n%s", want, notes)
				}
			}
			b.wantWebhooks("after the installation", everything...)
			was := b.versions()
			b.helm("upgrade", "pillion", chartDir, "--values", b.values)
			if diff := cmp.Diff(was, b.versions()); diff != "" || len(was) < 20 {
				t.Errorf("an upgrade to the same changes (-before +after)\n%s", diff)
			}
			if _, err := b.try("install", "second", chartDir, "--values", b.values); err == nil || !strings.Contains(err.Error(), `"clustersidecars.pillion.dev"`) ||
				!strings.Contains(err.Error(), `must equal "second"`) {
				t.Errorf("a second release: %v", err)
			}
			b.helm("upgrade", "pillion", chartDir, "--values", b.values, "--set", "profile=ha,admission.proveEntries=false,admission.adviseWorkloads=false")
			b.wantWebhooks("after the upgrade", append([]string{mutating}, policies...)...)
			b.helm("rollback", "pillion", "1")
			b.wantWebhooks("after the rollback", everything...)
			// The emergency stop of the notes, and the way back.
			for _, path := range []string{mutating, policies[2]} {
				if a := b.do(http.MethodDelete, admission+path, nil); a.Status != http.StatusOK {
					t.Fatal(a.Status, a.Message())
				}
			}
			b.helm("upgrade", "pillion", chartDir, "--reuse-values")
			b.wantWebhooks("after the way back", everything...)
			b.uninstalls("clustersidecars.pillion.dev", "sidecars.pillion.dev")
			b.wantLeft(before, "customresourcedefinitions/clustersidecars.pillion.dev", "customresourcedefinitions/sidecars.pillion.dev")

			// What was kept is taken over by the next release, which keeps nothing. Where no Pod runs, helm says so and stops, and
			// does without when it is told to.
			b.helm("install", "pillion", chartDir, "--values", b.values, "--set", "crds.keep=false,uninstall.deadlineSeconds=10")
			if _, err := b.try("uninstall", "pillion"); err == nil || !strings.Contains(err.Error(), "DeadlineExceeded") && !strings.Contains(err.Error(), "pillion-uninstall") {
				t.Errorf("no Pod runs: %v", err)
			}
			b.helm("uninstall", "pillion", "--no-hooks")
			b.wantLeft(before)
		})
	}
}

// TestHelm3ReleaseIsTakenOverByHelm4 upgrades with the newer helm what the older has installed, then by server-side apply.
func TestHelm3ReleaseIsTakenOverByHelm4(t *testing.T) {
	on := newBed(t)
	old, b := on.with(t, "helm3"), on.with(t, "helm")
	before := b.inventory()
	old.helm("install", "pillion", chartDir, "--create-namespace", "--values", b.values)
	was := b.versions()
	b.helm("upgrade", "pillion", chartDir, "--values", b.values)
	if diff := cmp.Diff(was, b.versions()); diff != "" {
		t.Errorf("helm 4 changes what helm 3 installed (-before +after)\n%s", diff)
	}
	b.helm("upgrade", "pillion", chartDir, "--values", b.values, "--server-side=true", "--force-conflicts", "--set", "profile=ha")
	b.wantWebhooks("after server-side apply", everything...)
	b.helm("rollback", "pillion", "1", "--server-side=true", "--force-conflicts")
	if diff := cmp.Diff(keys(was), keys(b.versions())); diff != "" {
		t.Errorf("after the rollback (-before +after)\n%s", diff)
	}
	old.helm("upgrade", "pillion", chartDir, "--values", b.values, "--set", "crds.keep=false")
	b.uninstalls()
	b.wantLeft(before)
}

// TestThePackageIsTheChart installs what is published: the packaged chart, without tests and examples of values.
func TestThePackageIsTheChart(t *testing.T) {
	for _, which := range helms {
		dir := t.TempDir()
		if out, errs, err := runHelm(t, which, "package", chartDir, "--destination", dir); err != nil {
			t.Fatalf("%v\n%s%s", err, out, errs)
		}
		files, err := filepath.Glob(dir + "/pillion-*.tgz")
		if err != nil || len(files) != 1 {
			t.Fatal(err, files)
		}
		out, errs, err := runHelm(t, which, "template", "pillion", files[0], "--namespace", namespace)
		if err != nil {
			t.Fatalf("%v\n%s", err, errs)
		}
		if whole := renderBy(t, which); out != whole {
			t.Errorf("%s: the package renders otherwise (-chart +package)\n%s", which, cmp.Diff(whole, out))
		}
		var got []string
		for _, name := range archived(t, files[0]) {
			if top, _, _ := strings.Cut(strings.TrimPrefix(name, "pillion/"), "/"); !slices.Contains(got, top) {
				got = append(got, top)
			}
		}
		slices.Sort(got)
		want := []string{".helmignore", "Chart.yaml", "README.md", "files", "runbooks.md", "templates", "values.schema.json", "values.yaml"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the package has (-want +got)\n%s", which, diff)
		}
	}
}
