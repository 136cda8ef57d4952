package chart

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "run", "./test/chart/generate", "--check")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
