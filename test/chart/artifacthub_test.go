package chart

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
	"github.com/pillion-dev/pillion/sidecars"
)

// TestArtifactHubIsToldTheTruth compares what Chart.yaml says to Artifact Hub with the chart and the API.
func TestArtifactHubIsToldTheTruth(t *testing.T) {
	var chart struct {
		Version, AppVersion string
		Annotations         map[string]string
	}
	read(t, "Chart.yaml", &chart)
	said := func(key string, into any) {
		if err := yaml.Unmarshal([]byte(chart.Annotations["artifacthub.io/"+key]), into); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if n := len(chart.Annotations); n < 8 {
		t.Errorf("there are %d annotations", n)
	}
	var images []struct{ Name, Image string }
	said("images", &images)
	want, got := map[string]bool{}, map[string]bool{}
	for _, i := range images {
		want[i.Image] = true
	}
	for name, template := range templates(t, objects(t, render(t))) {
		if name != "pillion-test" {
			got[template.Spec.Containers[0].Image] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images (-said +rendered)\n%s", diff)
	}

	type definition struct{ Kind, Version, Name string }
	var definitions, real []definition
	said("crds", &definitions)
	for _, text := range crds.All() {
		var d struct {
			Metadata struct{ Name string }
			Spec     struct {
				Names    struct{ Kind string }
				Versions []struct{ Name string }
			}
		}
		if err := yaml.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		real = append(real, definition{d.Spec.Names.Kind, d.Spec.Versions[0].Name, d.Metadata.Name})
	}
	if diff := cmp.Diff(real, definitions); diff != "" {
		t.Errorf("definitions (-real +said)\n%s", diff)
	}

	var examples []map[string]any
	said("crdsExamples", &examples)
	if len(examples) == 0 {
		t.Error("there are no examples")
	}
	for _, example := range examples {
		text, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		entry, errs := sidecars.Parse(text)
		if errs == nil {
			errs = entry.Prove()
		}
		if errs != nil {
			t.Errorf("%v: %v", example["metadata"], errs)
		}
	}

	var changes []struct{ Kind, Description string }
	said("changes", &changes)
	kinds := []string{"added", "changed", "deprecated", "removed", "fixed", "security"}
	for _, c := range changes {
		if !slices.Contains(kinds, c.Kind) || c.Description == "" {
			t.Errorf("change %+v", c)
		}
	}
	if prerelease := strings.HasPrefix(chart.Version, "0.") || strings.Contains(chart.Version, "-"); chart.Annotations["artifacthub.io/prerelease"] != map[bool]string{true: "true", false: "false"}[prerelease] {
		t.Errorf("version %s is a prerelease: %s", chart.Version, chart.Annotations["artifacthub.io/prerelease"])
	}
	if !regexp.MustCompile(`^\d+\.\d+\.\d+`).MatchString(chart.Version) || len(changes) == 0 {
		t.Errorf("version %s, changes %v", chart.Version, changes)
	}
}
