package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/test/serving"
)

const (
	definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	clusterPath     = "/apis/pillion.dev/v1alpha1/clustersidecars"
	nsEntries       = "crd-entries"
	namespacedPath  = "/apis/pillion.dev/v1alpha1/namespaces/" + nsEntries + "/sidecars"
)

var defined = sync.OnceValue(func() error { return plane.define() })

// useDefinitions has the API server know ClusterSidecars and Sidecars. They stay for the tests that follow; entries do not.
func useDefinitions(t *testing.T) {
	t.Helper()
	useControlPlane(t)
	if err := defined(); err != nil {
		t.Fatal(err)
	}
}

func (p *controlPlane) define() error {
	for _, text := range crds.All() {
		object, err := yaml.YAMLToJSON(text)
		if err != nil {
			return err
		}
		a, err := serving.Post(p.client, p.url+definitionsPath, object)
		if err == nil && a.Status != http.StatusCreated && a.Status != http.StatusConflict {
			err = fmt.Errorf("create a definition: %d %s", a.Status, a.Message())
		}
		if err != nil {
			return err
		}
	}
	if err := p.namespace(nsEntries, nil, nil); err != nil {
		return err
	}
	return eventually("ClusterSidecars and Sidecars are served", func() error {
		for _, path := range []string{clusterPath, namespacedPath} {
			a, err := serving.Do(p.client, http.MethodGet, p.url+path, nil)
			if err == nil && a.Status != http.StatusOK {
				err = fmt.Errorf("%s: %d %s", path, a.Status, a.Message())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// definition is what a test looks at of a CustomResourceDefinition.
type definition struct {
	Spec struct {
		Names struct {
			Kind                   string
			ShortNames, Categories []string
		}
		Scope    string
		Versions []struct {
			Name   string
			Schema struct{ OpenAPIV3Schema map[string]any }
		}
	}
	Status struct{ Conditions []metav1.Condition }
}

func TestDefinitionsAreEstablished(t *testing.T) {
	useDefinitions(t)
	for name, want := range map[string][]string{
		"clustersidecars.pillion.dev": {"ClusterSidecar", "Cluster", "csc", "pillion"},
		"sidecars.pillion.dev":        {"Sidecar", "Namespaced", "sc", "pillion"},
	} {
		await(t, name+" is established", func() error {
			var d definition
			a := ask(t, http.MethodGet, definitionsPath+"/"+name, "", nil)
			if err := json.Unmarshal(a.Body, &d); err != nil {
				return err
			}
			is := map[string]metav1.ConditionStatus{}
			for _, c := range d.Status.Conditions {
				is[c.Type] = c.Status
			}
			if is["Established"] != metav1.ConditionTrue || is["NamesAccepted"] != metav1.ConditionTrue || is["NonStructuralSchema"] != "" {
				return fmt.Errorf("its conditions are %v", d.Status.Conditions)
			}
			n := d.Spec.Names
			if diff := gocmp.Diff(want, slices.Concat([]string{n.Kind, d.Spec.Scope}, n.ShortNames, n.Categories)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", name, diff)
			}
			return nil
		})
	}
}

// TestBothKindsAreOne compares the two schemas, whose rules the generator has from two places. A Sidecar has one rule more: it
// may not ask the node helper.
func TestBothKindsAreOne(t *testing.T) {
	var schemas []map[string]any
	for _, text := range crds.All() {
		var d definition
		if err := yaml.Unmarshal(text, &d); err != nil || len(d.Spec.Versions) != 1 {
			t.Fatal(err, d)
		}
		schema := d.Spec.Versions[0].Schema.OpenAPIV3Schema
		delete(schema, "description")
		if d.Spec.Names.Kind == v1alpha1.KindSidecar {
			rules, _ := schema["x-kubernetes-validations"].([]any)
			schema["x-kubernetes-validations"] = slices.DeleteFunc(rules, func(rule any) bool {
				r, _ := rule.(map[string]any)
				return r["rule"] == "!has(self.spec.node)"
			})
			if n, _ := schema["x-kubernetes-validations"].([]any); len(n) != len(rules)-1 {
				t.Error("a Sidecar may ask the node helper")
			}
		}
		schemas = append(schemas, schema)
	}
	if diff := gocmp.Diff(schemas[0], schemas[1]); diff != "" || len(schemas) != 2 {
		t.Errorf("ClusterSidecar and Sidecar (-first +second)\n%s", diff)
	}
}
