package chart

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

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
