package chart

import (
	"encoding/json"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"

	"github.com/pillion-dev/pillion/sidecars"
)

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
