package chart

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
	"github.com/pillion-dev/pillion/sidecars"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestLintFindsNothing(t *testing.T) {
	for name, args := range variants(t) {
		if out, errs, err := helm(t, append([]string{"lint", "--strict", chartDir, "--namespace", namespace}, args...)...); err != nil {
			t.Errorf("%s: %v\n%s%s", name, err, out, errs)
		}
	}
}

func TestEveryObjectIsOfItsType(t *testing.T) {
	// These kinds have no Go types here: the definitions are compared with api/crds, the others looked at for themselves.
	untyped := []string{"CustomResourceDefinition", "ServiceMonitor", "PodMonitor", "PrometheusRule"}
	kinds := map[string]bool{}
	for name, args := range variants(t) {
		t.Run(name, func(t *testing.T) {
			manifest := render(t, args...)
			if again := render(t, args...); again != manifest {
				t.Errorf("rendered twice (-first +second)\n%s", cmp.Diff(manifest, again))
			}
			seen := map[string]bool{}
			for _, o := range objects(t, manifest) {
				kinds[o.Kind] = true
				id := o.Kind + " " + o.Namespace + "/" + o.Name
				if seen[id] {
					t.Errorf("%s is there twice", id)
				}
				seen[id] = true
				if o.Labels["app.kubernetes.io/name"] == "" && o.Name != "more" {
					t.Errorf("%s has no labels", id)
				}
				if !slices.Contains(untyped, o.Kind) {
					typed(t, o)
				}
			}
		})
	}
	for _, kind := range append(untyped, "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Certificate", "Issuer") {
		if !kinds[kind] {
			t.Errorf("no variant has a %s", kind)
		}
	}
}

// templates gives every Pod template, and the Pod of `helm test`.
func templates(t *testing.T, all []*object) map[string]*corev1.PodTemplateSpec {
	t.Helper()
	out := map[string]*corev1.PodTemplateSpec{}
	for _, o := range ofKind(t, all, "Deployment", "Pod") {
		switch v := typed(t, o).(type) {
		case *appsv1.Deployment:
			out[o.Name] = &v.Spec.Template
		case *corev1.Pod:
			out[o.Name] = &corev1.PodTemplateSpec{ObjectMeta: v.ObjectMeta, Spec: v.Spec}
		}
	}
	return out
}

func TestEveryPodIsRestricted(t *testing.T) {
	for name, args := range variants(t) {
		for pod, template := range templates(t, objects(t, render(t, args...))) {
			level, err := sidecars.LevelOf(&template.ObjectMeta, &template.Spec)
			if err != nil || level != api.LevelRestricted {
				t.Errorf("%s: %s: Pod Security level %s %v", name, pod, level, err)
			}
			for _, c := range template.Spec.Containers {
				if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
					t.Errorf("%s: %s: its root can be written to", name, pod)
				}
				if c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
					t.Errorf("%s: %s: resources %v", name, pod, c.Resources)
				}
			}
		}
	}
}

// TestProgramsKnowTheirFlags looks every argument up in the reference, which is made from the program.
func TestProgramsKnowTheirFlags(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/flags.md")
	if err != nil {
		t.Fatal(err)
	}
	_, usage, found := strings.Cut(string(text), "\n## pillion-webhook\n")
	if !found {
		t.Fatal("docs/reference/flags.md has no pillion-webhook")
	}
	usage, _, _ = strings.Cut(usage, "\n## ")
	template := templates(t, objects(t, render(t)))["pillion"]
	for _, arg := range template.Spec.Containers[0].Args {
		if name, _, _ := strings.Cut(arg, "="); !strings.Contains(usage, " "+name+" ") {
			t.Errorf("pillion-webhook has no flag %s", name)
		}
	}
	if n := len(template.Spec.Containers[0].Args); n < 3 {
		t.Errorf("there are %d arguments", n)
	}
}

func TestServicesAndBudgetsFindTheirPods(t *testing.T) {
	all := objects(t, render(t, "--set", "profile=ha"))
	pods := templates(t, all)
	selected := func(name string, selector labels.Set) {
		for pod, template := range pods {
			if got := labels.SelectorFromSet(selector).Matches(labels.Set(template.Labels)); got != (pod == name) {
				t.Errorf("the selector of %s selects %s: %v", name, pod, got)
			}
		}
	}
	for _, o := range ofKind(t, all, "Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment") {
		var is struct {
			Spec struct{ Selector, PodSelector json.RawMessage }
		}
		if err := json.Unmarshal(o.JSON, &is); err != nil {
			t.Fatal(err)
		}
		raw, set := is.Spec.Selector, labels.Set{}
		if o.Kind == "NetworkPolicy" {
			raw = is.Spec.PodSelector
		}
		var nested metav1.LabelSelector
		if o.Kind == "Service" {
			err := json.Unmarshal(raw, &set)
			if err != nil {
				t.Fatal(err)
			}
		} else if err := json.Unmarshal(raw, &nested); err != nil {
			t.Fatal(err)
		} else {
			set = nested.MatchLabels
		}
		selected(o.Name, set)
	}
}

func TestSchemaRefusesWhatItDoesNotKnow(t *testing.T) {
	for set, want := range map[string]string{
		"replicas=3":                                   "at '': additional properties 'replicas' not allowed",
		"webhook.replica=3":                            "at '/webhook': additional properties 'replica' not allowed",
		"webhook.image.tag=1":                          "at '/webhook/image': additional properties 'tag' not allowed",
		"webhook.pdb.minAvailable=1":                   "at '/webhook/pdb': additional properties 'minAvailable' not allowed",
		"controller.autoscaling.enabled=true":          "at '/controller': additional properties 'autoscaling' not allowed",
		"admission.failurePolicy=Ignore":               "at '/admission': additional properties 'failurePolicy' not allowed",
		"metrics.serviceMonitor.enable=true":           "at '/metrics/serviceMonitor': additional properties 'enable' not allowed",
		"profile=prod":                                 "at '/profile': value must be one of 'dev', 'default', 'ha'",
		"certs.mode=selfSigned":                        "at '/certs/mode': value must be one of 'certManager', 'provided'",
		"certs.mode=provided":                          "at '/certs/provided/caBundle'",
		"admission.timeoutSeconds=30":                  "at '/admission/timeoutSeconds'",
		"webhook.logLevel=trace":                       "at '/webhook/logLevel'",
		"webhook.replicas=-1":                          "at '/webhook/replicas'",
		"webhook.image.digest=latest":                  "at '/webhook/image/digest'",
		"crds.enabled=1":                               "at '/crds/enabled': got number, want boolean",
		"networkPolicy.apiServerPorts={a}":             "at '/networkPolicy/apiServerPorts/0'",
		"admission.excludedNamespaces={A}":             "at '/admission/excludedNamespaces/0'",
		"test.images=a":                                "at '/test': additional properties 'images' not allowed",
		"webhook.terminationGracePeriodSeconds=5":      "at '/webhook/terminationGracePeriodSeconds'",
		"certs.certManager.duration=90d":               "at '/certs/certManager/duration'",
		"imagePullSecrets[0].secret=a":                 "at '/imagePullSecrets/0'",
		"metrics.prometheusRule.runbooks=docs/runbook": "at '/metrics/prometheusRule/runbooks'",
	} {
		_, errs, err := helm(t, "template", "pillion", chartDir, "--set", set)
		if err == nil || !strings.Contains(errs, want) {
			t.Errorf("--set %s: want an error with %q, got %v\n%s", set, want, err, errs)
		}
	}
}

// TestSchemaKnowsEveryValue goes through values.yaml and the profiles: every value has a description and is bounded.
func TestSchemaKnowsEveryValue(t *testing.T) {
	var schema map[string]any
	read(t, "values.schema.json", &schema)
	checked := 0
	for _, file := range []string{"values.yaml", "files/profiles/dev.yaml", "files/profiles/default.yaml", "files/profiles/ha.yaml"} {
		var values map[string]any
		read(t, file, &values)
		checked += walk(t, file, values, schema)
	}
	if checked < 80 {
		t.Errorf("%d values were looked at", checked)
	}
}

func walk(t *testing.T, path string, values, schema map[string]any) (n int) {
	t.Helper()
	properties, ok := schema["properties"].(map[string]any)
	if !ok { // a free map
		if schema["additionalProperties"] == nil {
			t.Errorf("%s: the schema says nothing of its keys", path)
		}
		return 0
	}
	if schema["additionalProperties"] != false {
		t.Errorf("%s: the schema takes any key", path)
	}
	for key, value := range values {
		at := path + " " + key
		known, ok := properties[key].(map[string]any)
		if !ok || known["description"] == nil {
			t.Errorf("%s: not in the schema, or without a description", at)
			continue
		}
		n++
		if inner, ok := value.(map[string]any); ok {
			n += walk(t, at, inner, known)
		}
	}
	return n
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, file))
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "run", "./test/chart/generate", "--check")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDefinitionsAreThoseOfTheAPI compares the rendered definitions with the generated ones.
func TestDefinitionsAreThoseOfTheAPI(t *testing.T) {
	for _, keep := range []bool{true, false} {
		got := ofKind(t, objects(t, render(t, "--set", fmt.Sprintf("crds.keep=%v", keep))), "CustomResourceDefinition")
		var want, rendered []map[string]any
		for _, text := range crds.All() {
			var v map[string]any
			if err := yaml.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			want = append(want, v)
		}
		for _, o := range got {
			var v map[string]any
			if err := json.Unmarshal(o.JSON, &v); err != nil {
				t.Fatal(err)
			}
			meta := v["metadata"].(map[string]any)
			delete(meta, "labels")
			annotations := meta["annotations"].(map[string]any)
			if is := annotations["helm.sh/resource-policy"]; keep != (is == "keep") {
				t.Errorf("keep is %v, and %s has %v", keep, o, is)
			}
			delete(annotations, "helm.sh/resource-policy")
			rendered = append(rendered, v)
		}
		if diff := cmp.Diff(want, rendered); diff != "" {
			t.Errorf("(-api/crds +chart)\n%s", diff)
		}
	}
	for _, o := range objects(t, render(t)) {
		if strings.HasPrefix(o.APIVersion, "pillion.dev/") {
			t.Errorf("%s: helm cannot look its kind up before the definitions are installed", o)
		}
	}
}

// TestRightsAreThese has every right that the chart gives.
func TestRightsAreThese(t *testing.T) {
	var b strings.Builder
	for _, o := range ofKind(t, objects(t, render(t)), "ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding") {
		var v map[string]any
		if err := json.Unmarshal(o.JSON, &v); err != nil {
			t.Fatal(err)
		}
		text, err := yaml.Marshal(map[string]any{"kind": o.Kind, "name": o.Name, "namespace": o.Namespace, "rules": v["rules"], "roleRef": v["roleRef"], "subjects": v["subjects"]})
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n" + string(text))
	}
	const golden = "testdata/rights.yaml"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got); -update writes it anew\n%s", golden, diff)
	}
}

func TestWebhookHasThreeEntriesThatNeverMeet(t *testing.T) {
	all := objects(t, render(t, "--values", chartDir+"/ci/provided-values.yaml"))
	config := typed(t, ofKind(t, all, "MutatingWebhookConfiguration")[0]).(*admissionregistrationv1.MutatingWebhookConfiguration)
	want := map[string]string{"": "pods", "enabled": "enabled", "required": "required", "no-such": "pods"}
	for label, entry := range want {
		for _, ns := range []string{"shop", "kube-system", namespace, "monitoring"} {
			set := labels.Set{"kubernetes.io/metadata.name": ns}
			if label != "" {
				set["pillion.dev/injection"] = label
			}
			var called []string
			for i := range config.Webhooks {
				selector, err := metav1.LabelSelectorAsSelector(config.Webhooks[i].NamespaceSelector)
				if err != nil {
					t.Fatal(err)
				}
				if selector.Matches(set) {
					called = append(called, config.Webhooks[i].Name)
				}
			}
			var expect []string
			if ns == "shop" {
				expect = []string{entry + ".pillion.dev"}
			}
			if diff := cmp.Diff(expect, called); diff != "" {
				t.Errorf("Namespace %v (-want +got)\n%s", set, diff)
			}
		}
	}
	var got []string
	for i := range config.Webhooks {
		w := &config.Webhooks[i]
		got = append(got, fmt.Sprint(w.Name, " ", *w.ClientConfig.Service.Path, " ", *w.FailurePolicy, " ", *w.TimeoutSeconds, " ", *w.ReinvocationPolicy,
			" ", *w.SideEffects, " ", *w.MatchPolicy, " ", w.Rules[0].Operations, w.Rules[0].Resources))
	}
	if diff := cmp.Diff([]string{
		"pods.pillion.dev /mutate Ignore 2 IfNeeded None Equivalent [CREATE] [pods]",
		"enabled.pillion.dev /mutate Ignore 2 IfNeeded None Equivalent [CREATE] [pods]",
		"required.pillion.dev /mutate/required Fail 2 IfNeeded None Equivalent [CREATE] [pods]",
	}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestCertificatesNameTheServices follows each webhook to its Service, its Certificate and the Secret that is mounted.
func TestCertificatesNameTheServices(t *testing.T) {
	all := objects(t, render(t))
	for component, name := range map[string]string{"MutatingWebhookConfiguration": "pillion", "ValidatingWebhookConfiguration": "pillion-controller"} {
		var config struct {
			Metadata metav1.ObjectMeta
			Webhooks []struct {
				ClientConfig admissionregistrationv1.WebhookClientConfig
			}
		}
		if err := json.Unmarshal(ofKind(t, all, component)[0].JSON, &config); err != nil {
			t.Fatal(err)
		}
		if from := config.Metadata.Annotations["cert-manager.io/inject-ca-from"]; from != namespace+"/"+name {
			t.Errorf("%s takes its CA from %q", component, from)
		}
		for _, w := range config.Webhooks {
			if s := w.ClientConfig.Service; s.Name != name || s.Namespace != namespace || w.ClientConfig.CABundle != nil {
				t.Errorf("%s: %+v", component, w.ClientConfig)
			}
		}
		var certificate struct {
			Spec struct {
				SecretName string
				DNSNames   []string
			}
		}
		i := slices.IndexFunc(all, func(o *object) bool { return o.Kind == "Certificate" && o.Name == name })
		if err := json.Unmarshal(all[i].JSON, &certificate); err != nil {
			t.Fatal(err)
		}
		mounted := templates(t, all)[name].Spec.Volumes[0].Secret.SecretName
		if mounted != certificate.Spec.SecretName || !slices.Equal(certificate.Spec.DNSNames, []string{name + "." + namespace + ".svc"}) {
			t.Errorf("%s mounts %s; its Certificate is %+v", name, mounted, certificate.Spec)
		}
	}
}

// TestAlertsHaveRunbooks follows every alert to its page, and every metric of ours to its reference.
func TestAlertsHaveRunbooks(t *testing.T) {
	all := objects(t, render(t, "--values", chartDir+"/ci/provided-values.yaml"))
	var rules struct {
		Spec struct {
			Groups []struct {
				Rules []struct {
					Alert, Expr         string
					Labels, Annotations map[string]string
				}
			}
		}
	}
	if err := json.Unmarshal(ofKind(t, all, "PrometheusRule")[0].JSON, &rules); err != nil {
		t.Fatal(err)
	}
	var book, metrics string
	for path, into := range map[string]*string{chartDir + "/runbooks.md": &book, "../../docs/reference/metrics.md": &metrics} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		*into = string(text)
	}
	ours := regexp.MustCompile(`\bpillion_[a-z_]+`)
	known := func(at, expr string) {
		for _, metric := range ours.FindAllString(expr, -1) {
			if !strings.Contains(metrics, "`"+strings.TrimSuffix(metric, "_bucket")+"`") {
				t.Errorf("%s: no metric %s", at, metric)
			}
		}
	}
	for _, r := range rules.Spec.Groups[0].Rules {
		if !strings.Contains(book, "\n## "+r.Alert+"\n") || !strings.HasSuffix(r.Annotations["runbook_url"], "#"+strings.ToLower(r.Alert)) {
			t.Errorf("%s has no runbook: %s", r.Alert, r.Annotations["runbook_url"])
		}
		if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: %+v", r.Alert, r)
		}
		known(r.Alert, r.Expr)
		if strings.Contains(r.Expr, "pillion-injected") {
			t.Errorf("%s: the policy of this release is seat-injected: %s", r.Alert, r.Expr)
		}
	}
	if n := len(rules.Spec.Groups[0].Rules); n < 10 {
		t.Errorf("there are %d alerts", n)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	read(t, "files/dashboards/webhook.json", &dashboard)
	ids := map[int]bool{}
	for _, p := range dashboard.Panels {
		ids[p.ID] = true
		for _, target := range p.Targets {
			known(p.Title, target.Expr)
		}
	}
	if len(ids) != len(dashboard.Panels) || len(ids) == 0 || len(ids) > 20 {
		t.Errorf("%d panels, %d ids", len(dashboard.Panels), len(ids))
	}
}

// TestAPersonsValuesWin sets what a profile sets to something empty.
func TestAPersonsValuesWin(t *testing.T) {
	all := objects(t, render(t, "--values", chartDir+"/ci/podmonitor-values.yaml"))
	kinds := map[string]int{}
	for _, o := range all {
		kinds[o.Kind]++
	}
	want := map[string]int{"NetworkPolicy": 0, "PodDisruptionBudget": 1, "PodMonitor": 2, "ServiceMonitor": 0}
	maps.DeleteFunc(kinds, func(kind string, _ int) bool { _, ok := want[kind]; return !ok })
	maps.DeleteFunc(want, func(_ string, n int) bool { return n == 0 })
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	pods := templates(t, all)
	if a, b := pods["pillion"].Spec.PriorityClassName, pods["pillion-controller"].Spec.PriorityClassName; a != "" || b != "system-cluster-critical" {
		t.Errorf("priorities are %q and %q", a, b)
	}
	for _, o := range ofKind(t, all, "Deployment") {
		if d := typed(t, o).(*appsv1.Deployment); *d.Spec.Replicas != map[string]int32{"pillion": 1, "pillion-controller": 2}[o.Name] {
			t.Errorf("%s has %d replicas", o, *d.Spec.Replicas)
		}
	}
}
