package sidecars_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	kjson "sigs.k8s.io/json"

	"github.com/pillion-dev/pillion/sidecars"
)

// says is what is told of a result.
func says(res *sidecars.Result) string {
	return fmt.Sprint(res.Outcome, res.Reason, res.Sidecars, res.Errors, res.Warnings, res.Settings())
}

func settled(catalog *sidecars.Catalog, after []byte, ns *sidecars.Namespace) error {
	res, _, err := run(catalog, after, ns)
	if err == nil && res.Outcome != sidecars.Unchanged {
		err = fmt.Errorf("it is %s: %v %s", res.Outcome, res.Errors, sidecars.AppendPatch(nil, res.Patch))
	}
	return err
}

// known gives a Pod without the members that Kubernetes does not know.
func known(object []byte) ([]byte, error) {
	v, err := decoded(object)
	if err != nil {
		return nil, err
	}
	return json.Marshal(withoutUnknown(v))
}

func withoutUnknown(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, below := range v {
			if !strings.HasPrefix(k, unknown) {
				out[k] = withoutUnknown(below)
			}
		}
		return out
	case []any:
		for i := range v {
			v[i] = withoutUnknown(v[i])
		}
	}
	return v
}

func typed(object []byte) (*corev1.Pod, error) {
	text, err := known(object)
	if err != nil {
		return nil, err
	}
	pod := new(corev1.Pod)
	return pod, json.Unmarshal(text, pod)
}

func decodesStrictly(object []byte) error {
	text, err := known(object)
	if err != nil {
		return err
	}
	strict, err := kjson.UnmarshalStrict(text, new(corev1.Pod))
	if err == nil && len(strict) > 0 {
		err = fmt.Errorf("%v", strict)
	}
	return err
}

// levelKept compares with the level that the Pod met, or that of the entries where the platform team grants less.
func levelKept(catalog *sidecars.Catalog, res *sidecars.Result, before, after []byte) error {
	want, err := levelOf(before)
	if err != nil {
		return err
	}
	for _, name := range res.Sidecars {
		if l := catalog.Entry("", name).Level; api.CompareLevels(l, want) < 0 {
			want = l
		}
	}
	got, err := levelOf(after)
	if err == nil && api.CompareLevels(got, want) < 0 {
		err = fmt.Errorf("is %s, want %s", got, want)
	}
	return err
}

func levelOf(object []byte) (api.Level, error) {
	pod, err := typed(object)
	if err != nil {
		return "", err
	}
	return sidecars.LevelOf(&pod.ObjectMeta, &pod.Spec)
}

// removable takes out what was added; what is left may differ in collections that are empty and in a grace period that
// is the default.
func removable(before, after []byte) error {
	pod, err := sidecars.ReadPod(after)
	if err != nil {
		return err
	}
	ops, err := json.Marshal(sidecars.Uninject(pod))
	if err != nil {
		return err
	}
	left, err := apply(after, ops)
	if err != nil {
		return err
	}
	want, err := decoded(before)
	if err != nil {
		return err
	}
	got, err := decoded(left)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(touched("", stated(want)), touched("", stated(got))); diff != "" {
		return fmt.Errorf("uninject (-Pod +left): %s", diff)
	}
	return nil
}

// stated leaves out requests of the Pod itself that are its limits: the API server sets those.
func stated(pod any) any {
	resources, _ := pod.(map[string]any)["spec"].(map[string]any)["resources"].(map[string]any)
	requests, _ := resources["requests"].(map[string]any)
	limits, _ := resources["limits"].(map[string]any)
	for k, v := range requests {
		if v == limits[k] {
			delete(requests, k)
		}
	}
	return pod
}

// touched gives a Pod without what the API server does not tell from nothing, at the places that an injection touches.
func touched(at string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, below := range v {
			here := at + "/" + k
			below = touched(here, below)
			empty := below == nil || cmp.Equal(below, any([]any{})) || cmp.Equal(below, any(map[string]any{}))
			if mayBeAdded.MatchString(here) && (empty || k == "terminationGracePeriodSeconds" && below == json.Number("30")) {
				continue
			}
			out[k] = below
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = touched(at+"/N", v[i])
		}
		return out
	}
	return v
}

// frame is the most that an operation may take beside what it adds, in bytes. The path into a list of a container is longer
// than that allows, which has its own limit.
const (
	frame  = 60
	deeper = 70
)

// small measures what the operations of a patch take beside what they add: their value and, where the path names a new
// member of a map, its key.
func small(patch []jsonpatch.Operation) error {
	rest, most := 0, 0
	for _, op := range patch {
		text := sidecars.AppendPatch(nil, []jsonpatch.Operation{op})
		value, _ := op.Value.(json.RawMessage)
		rest += len(text) - len("[]") - len(value)
		member := op.Path[strings.LastIndex(op.Path, "/")+1:]
		if _, err := strconv.Atoi(member); err != nil && member != "-" {
			rest -= len(member)
		}
		most += map[bool]int{true: deeper, false: frame}[strings.Contains(op.Path, "/volumeMounts/") || strings.Contains(op.Path, "/env/")]
	}
	if rest > most {
		return fmt.Errorf("%d operations take %d bytes, want at most %d", len(patch), rest, most)
	}
	return nil
}
