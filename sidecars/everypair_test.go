package sidecars_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// eachPair injects an entry into a Pod so often that every pair of values of two parameters occurs, checks what holds of
// every entry, and hands on the values in force. An empty value is not set.
func eachPair(t *testing.T, entry string, check func(t *testing.T, set map[string]string, pod *corev1.Pod)) {
	t.Helper()
	t.Parallel()
	catalog := sidecars.Builtin()
	names, values := valuesOf(t, entry, catalog.Entry("", entry).Spec.Parameters)
	rows := pairs(values)
	t.Logf("%d parameters, %d sets of values", len(names), len(rows))
	for _, row := range rows {
		t.Run(strings.ReplaceAll(fmt.Sprint(row), " ", ""), func(t *testing.T) {
			t.Parallel()
			set := map[string]string{}
			for i, name := range names {
				if set[name] = values[i][row[i]]; set[name] == "" {
					delete(set, name)
				}
			}
			pod := injectedPod(t, catalog, entry, set)
			if t.Failed() {
				return
			}
			for name, p := range catalog.Entry("", entry).Spec.Parameters {
				if p.Default != nil && set[name] == "" {
					set[name] = p.Default.Text + strings.Join(p.Default.List, ",")
				}
			}
			check(t, set, pod)
			if t.Failed() {
				t.Logf("values: %v", set)
			}
		})
	}
}

// valuesOf gives the parameters of an entry, sorted, and for each the values to try.
func valuesOf(t *testing.T, entry string, params map[string]v1alpha1.Parameter) (names []string, values [][]string) {
	t.Helper()
	names = slices.Sorted(maps.Keys(params))
	for name := range triedValues[entry] {
		if !slices.Contains(names, name) {
			t.Errorf("the table tries %s.%s, which is no parameter", entry, name)
		}
	}
	for _, name := range names {
		p := params[name]
		list := slices.Clone(triedValues[entry][name])
		if !p.Required {
			list = append(list, "")
		}
		list = append(list, p.Enum...)
		switch {
		case p.Type == v1alpha1.TypeBoolean:
			list = append(list, "true", "false")
		case p.Minimum != "" && p.Type != v1alpha1.TypePort:
			list = append(list, p.Minimum, p.Maximum)
		}
		if len(list) < 2 && !p.Required {
			t.Errorf("%s.%s: the table must try at least two values, has %q", entry, name, list)
		}
		values = append(values, list)
	}
	return names, values
}

// pairs gives rows of indices into values such that every two values of two lists are together in some row: as long as a
// pair is left, it starts a row, which is filled up with the values that bring most pairs.
func pairs(values [][]string) [][]int {
	type pair struct{ a, x, b, y int }
	var all []pair
	left := map[pair]bool{}
	for a := range values {
		for b := a + 1; b < len(values); b++ {
			for x := range values[a] {
				for y := range values[b] {
					all = append(all, pair{a, x, b, y})
					left[pair{a, x, b, y}] = true
				}
			}
		}
	}
	var rows [][]int
	for _, first := range all {
		if !left[first] {
			continue
		}
		row := slices.Repeat([]int{-1}, len(values))
		row[first.a], row[first.b] = first.x, first.y
		news := func(i, x int) (n int) {
			for j, y := range row {
				if y >= 0 && (j < i && left[pair{j, y, i, x}] || j > i && left[pair{i, x, j, y}]) {
					n++
				}
			}
			return n
		}
		for i := range values {
			if row[i] >= 0 {
				continue
			}
			best, most := 0, -1
			for x := range values[i] {
				if n := news(i, x); n > most {
					best, most = x, n
				}
			}
			row[i] = best
		}
		for a, x := range row {
			for b := a + 1; b < len(row); b++ {
				delete(left, pair{a, x, b, row[b]})
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// injected asks for an entry with parameters on a Pod of one container, app, and gives the Pod as it is admitted.
func injectedPod(t *testing.T, catalog *sidecars.Catalog, entry string, set map[string]string) *corev1.Pod {
	t.Helper()
	annotations := map[string]string{v1alpha1.AnnotationInject: entry}
	for name, v := range set {
		annotations[v1alpha1.Prefix+entry+"."+name] = v
	}
	var before corev1.Pod
	before.Name, before.Annotations = "p", annotations
	user, yes, no := int64(1000), true, false
	before.Spec.Containers = []corev1.Container{{Name: "app", Image: "app:1", SecurityContext: &corev1.SecurityContext{
		RunAsUser: &user, RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no,
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}}}
	object, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	res, after, err := run(catalog, object, &sidecars.Namespace{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome != sidecars.Injected || len(res.Errors) > 0 {
		t.Fatalf("%s with %v is %s: %v", entry, set, res.Outcome, res.Errors)
	}
	pod := new(corev1.Pod)
	if err := json.Unmarshal(after, pod); err != nil {
		t.Fatal(err)
	}
	if bad := strictErrors(t, after); len(bad) > 0 {
		t.Errorf("strict decoding: %q", bad)
	}
	if l := level(t, after); l != api.LevelRestricted {
		t.Errorf("Pod Security level is %s, want restricted", l)
	}
	return pod
}

func fileOf(t *testing.T, pod *corev1.Pod, entry, file string) string {
	t.Helper()
	text, ok := pod.Annotations[v1alpha1.AnnotationFilePrefix+entry+"."+file]
	if !ok {
		t.Fatalf("the Pod has no file %s of %s", file, entry)
	}
	return text
}

func containerOf(t *testing.T, pod *corev1.Pod, name string) *corev1.Container {
	t.Helper()
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	t.Fatalf("the Pod has no container %s", name)
	return nil
}

// wantGoMemory checks that Go's own memory limit is four fifths of the container's.
func wantGoMemory(t *testing.T, pod *corev1.Pod, name string) {
	t.Helper()
	c := containerOf(t, pod, name)
	for _, e := range c.Env {
		if e.Name != "GOMEMLIMIT" {
			continue
		}
		soft, hard := resource.MustParse(strings.TrimSuffix(e.Value, "B")), c.Resources.Limits.Memory()
		if share := float64(soft.Value()) / float64(hard.Value()); share < 0.78 || share > 0.81 {
			t.Errorf("%s: GOMEMLIMIT %s is %.2f of the memory limit %s, want 0.8", name, e.Value, share, hard)
		}
		return
	}
	t.Errorf("%s has no GOMEMLIMIT", name)
}

// split splits a list; an empty text has no items.
func split(text, sep string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, sep)
}
