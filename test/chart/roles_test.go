package chart

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

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
