package chart

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
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
		for _, which := range helms {
			if out, errs, err := runHelm(t, which, append([]string{"lint", "--strict", chartDir, "--namespace", namespace}, args...)...); err != nil {
				t.Errorf("%s: %s: %v\n%s%s", name, which, err, out, errs)
			}
		}
	}
}

// TestEveryRenderIsTheSame renders twice by either helm: byte for byte the same by one, the same objects by both.
func TestEveryRenderIsTheSame(t *testing.T) {
	for name, args := range variants(t) {
		t.Run(name, func(t *testing.T) {
			var by [][]string
			for _, which := range helms {
				manifest := renderBy(t, which, args...)
				if again := renderBy(t, which, args...); again != manifest {
					t.Errorf("%s renders twice (-first +second)\n%s", which, cmp.Diff(manifest, again))
				}
				var texts []string
				for _, o := range objects(t, manifest) {
					texts = append(texts, string(o.JSON))
				}
				slices.Sort(texts)
				by = append(by, texts)
			}
			if diff := cmp.Diff(by[0], by[1]); diff != "" {
				t.Errorf("(-helm 4 +helm 3)\n%s", diff)
			}
		})
	}
}

func TestEveryObjectIsOfItsType(t *testing.T) {
	// These kinds have no Go types here: the definitions are compared with api/crds, all are held against their schemas.
	untyped := []string{"CustomResourceDefinition", "ServiceMonitor", "PodMonitor", "PrometheusRule"}
	kinds := map[string]bool{}
	for name, args := range variants(t) {
		seen := map[string]bool{}
		for _, o := range objects(t, render(t, args...)) {
			kinds[o.Kind] = true
			id := o.Kind + " " + o.Namespace + "/" + o.Name
			if seen[id] {
				t.Errorf("%s: %s is there twice", name, id)
			}
			seen[id] = true
			if o.Labels["app.kubernetes.io/name"] == "" && o.Name != "more" {
				t.Errorf("%s: %s has no labels", name, id)
			}
			if !slices.Contains(untyped, o.Kind) {
				typed(t, o)
			}
		}
	}
	for _, kind := range append(untyped, "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Certificate", "Issuer") {
		if !kinds[kind] {
			t.Errorf("no variant has a %s", kind)
		}
	}
}

// templates gives every Pod template, that of the Job before `helm uninstall` too, and the Pod of `helm test`.
func templates(t *testing.T, all []*object) map[string]*corev1.PodTemplateSpec {
	t.Helper()
	out := map[string]*corev1.PodTemplateSpec{}
	for _, o := range ofKind(t, all, "Deployment", "Job", "Pod") {
		switch v := typed(t, o).(type) {
		case *appsv1.Deployment:
			out[o.Name] = &v.Spec.Template
		case *batchv1.Job:
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
		"certs.mode=selfSigned":                        "at '/certs/mode': value must be one of 'certManager', 'selfManaged', 'provided'",
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
		`commonLabels.helm\.sh/chart=a`:                "at '/commonLabels/helm.sh~1chart'",
		"certs.certManager.issuerRef.kind=Issuer":      "at '/certs/certManager/issuerRef': properties 'name' required",
		"extraObjects[0].kind=Secret":                  "at '/extraObjects/0': missing properties 'apiVersion', 'metadata'",
		"networkPolicy.apiServerPorts=null":            "at '/networkPolicy': missing property 'apiServerPorts'",
		`test.annotations.pillion\.dev/inject=null`:    "at '/test/annotations': missing property 'pillion.dev/inject'",
		"image.tag=a b":                                "at '/image/tag'",
		"nameOverride=A":                               "at '/nameOverride'",
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

// TestControllerHasTheRightsThatItSays compares the chart's roles of the controller with those beside its source.
func TestControllerHasTheRightsThatItSays(t *testing.T) {
	source, err := os.ReadFile("../../controller/rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rights := func(all []*object) map[string]bool {
		out := map[string]bool{}
		for _, o := range ofKind(t, all, "ClusterRole", "Role") {
			if o.Name != "pillion-controller" {
				continue
			}
			var role struct{ Rules []rbacv1.PolicyRule }
			if err := json.Unmarshal(o.JSON, &role); err != nil {
				t.Fatal(err)
			}
			for _, r := range role.Rules {
				for _, group := range r.APIGroups {
					for _, resource := range r.Resources {
						for _, verb := range r.Verbs {
							out[fmt.Sprint(o.Kind, " ", verb, " ", resource, ".", group, " ", r.ResourceNames)] = true
						}
					}
				}
			}
		}
		return out
	}
	if diff := cmp.Diff(rights(objects(t, string(source))), rights(objects(t, render(t, "--set", "node.enabled=true")))); diff != "" {
		t.Errorf("(-controller/rbac.yaml +chart)\n%s", diff)
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
