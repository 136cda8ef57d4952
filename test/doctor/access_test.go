package doctor

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	reports "github.com/pillion-dev/pillion/doctor"
)

var update = flag.Bool("update", false, "write the golden files anew")

// changing is what differs from one run to the next.
var changing = regexp.MustCompile(`127\.0\.0\.1:[0-9]+|svc:[0-9]+`)

// TestOutputIsAsDocumented compares what people and programs read with golden files: of an installation that is well, and of
// one with a finding of each severity.
func TestOutputIsAsDocumented(t *testing.T) {
	b := use(t)
	compare := func(name string, args ...string) {
		t.Helper()
		out, _, _ := b.pillion(b.control.Kubeconfig(), append([]string{"doctor"}, args...)...)
		got := changing.ReplaceAllString(out, "HOST")
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	compare("healthy.json", "-o", "json")
	compare("healthy.txt")
	b.must(t, patch(mutating, "pillion", `{"op":"replace","path":"/webhooks/2/failurePolicy","value":"Ignore"}`)...)
	b.put(t, space("golden", "", "pillion.dev/inject: 'a,b'"))
	defer func() {
		b.must(t, patch(mutating, "pillion", `{"op":"replace","path":"/webhooks/2/failurePolicy","value":"Fail"}`)...)
		b.must(t, "delete", "namespace", "golden", "--wait=false")
	}()
	compare("faulty.json", "-o", "json")
	compare("faulty.txt", "--color", "always")
	compare("faulty.verbose.txt", "-v")
}

// TestRightsAreNamed runs the doctor as somebody who may do little: each right that is missing is named, and what can be
// looked at is.
func TestRightsAreNamed(t *testing.T) {
	b := use(t)
	some := b.as(t, "some", `[{apiGroups: [admissionregistration.k8s.io], resources: ['*'], verbs: [list]}, {apiGroups: [""], resources: [namespaces], verbs: [list]}]`)
	r, code := b.doctorAs(t, some)
	if r.Install == nil || r.Install.Namespace != namespace {
		t.Errorf("the installation is not found: %+v", r.Install)
	}
	var rights []string
	for _, f := range r.Findings {
		if f.Code == "D001" {
			rights = append(rights, f.Fix.Commands[0])
		}
	}
	slices.Sort(rights)
	want := []string{
		"kubectl auth can-i get customresourcedefinitions.apiextensions.k8s.io",
		"kubectl auth can-i list certificates.cert-manager.io -n pillion-system",
		"kubectl auth can-i list clustersidecars.pillion.dev",
		"kubectl auth can-i list daemonsets.apps -A",
		"kubectl auth can-i list deployments.apps -n pillion-system",
		"kubectl auth can-i list endpointslices.discovery.k8s.io -n pillion-system",
		"kubectl auth can-i list nodes",
		"kubectl auth can-i list pods -A",
		"kubectl auth can-i list services -n pillion-system",
		"kubectl auth can-i list sidecars.pillion.dev -A",
	}
	if diff := cmp.Diff(want, rights); diff != "" {
		t.Errorf("rights (-want +got)\n%s", diff)
	}
	for _, command := range want {
		if out, err := b.run("kubectl", "", append(strings.Fields(command)[1:], "--as", "some", "-q")...); err == nil {
			t.Errorf("%s: %s", command, out)
		}
	}
	i := slices.IndexFunc(r.Findings, func(f reports.Finding) bool { return f.Code == "D404" })
	if i < 0 || !strings.Contains(r.Findings[i].Message, "the right to create Pods in Namespace default is missing") {
		t.Errorf("the dry run: %v", codes(r))
	}
	if code != 0 || r.Errors > 0 {
		t.Errorf("exit code %d, %s", code, told(r))
	}
	ran := slices.DeleteFunc(slices.Clone(r.Checks), func(c reports.CheckResult) bool { return c.State == reports.NotRun })
	if len(ran) < 10 || len(ran) == len(r.Checks) {
		t.Errorf("%d of %d checks ran", len(ran), len(r.Checks))
	}

	r, code = b.doctorAs(t, b.as(t, "nobody", "[]"))
	if !slices.Contains(codes(r), "D002") || code != 1 {
		t.Errorf("without any right: %d %v", code, codes(r))
	}
}

// TestTrialIsRefusedByOthers has a quota stand against the dry run.
func TestTrialIsRefusedByOthers(t *testing.T) {
	b := use(t)
	b.put(t, space("full", "", "")+"apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none, namespace: full}\nspec: {hard: {pods: '0'}}\n")
	defer b.must(t, "delete", "namespace", "full", "--wait=false")
	await(t, "the quota", func() error {
		r, code := b.doctor(t, "-n", "full")
		if diff := cmp.Diff([]string{"D403"}, codes(r)); diff != "" || code != 0 {
			return errs(diff)
		}
		return nil
	})
	r, _ := b.doctor(t, "-n", "nowhere")
	if diff := cmp.Diff([]string{"D403"}, codes(r)); diff != "" {
		t.Error(diff)
	}
}

type errs string

func (e errs) Error() string { return string(e) }

// TestDeadAPIServer gives one error and no report.
func TestDeadAPIServer(t *testing.T) {
	b := use(t)
	admin, err := os.ReadFile(b.control.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(admin), b.control.URL(), "https://127.0.0.1:1")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"doctor"}, {"check", "-o", "json"}} {
		out, errs, code := b.pillion(path, args...)
		if out != "" || code != 2 || !strings.HasPrefix(errs, "error: cluster: the API server does not answer: ") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: %d %q %q", args, code, out, errs)
		}
	}
}

// TestNothingIsWritten counts what changes in the cluster while the doctor looks: nothing.
func TestNothingIsWritten(t *testing.T) {
	b := use(t)
	versions := func() map[string]string {
		out := map[string]string{}
		for _, kind := range []string{"pods", "namespaces", "secrets", "services", "mutatingwebhookconfigurations", "validatingadmissionpolicies", "customresourcedefinitions", "clustersidecars"} {
			var list struct {
				Items []struct {
					Metadata struct{ Namespace, Name, ResourceVersion string }
				}
			}
			if err := json.Unmarshal([]byte(b.must(t, "get", kind, "-A", "-o", "json")), &list); err != nil {
				t.Fatal(err)
			}
			for _, o := range list.Items {
				out[kind+" "+o.Metadata.Namespace+"/"+o.Metadata.Name] = o.Metadata.ResourceVersion
			}
		}
		return out
	}
	before := versions()
	for range 3 {
		b.doctor(t)
	}
	if diff := cmp.Diff(before, versions()); diff != "" {
		t.Error(diff)
	}
}
