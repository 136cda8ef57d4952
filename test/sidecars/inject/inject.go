// Package inject asks the built-in catalog for a sidecar and gives what it becomes on a Pod, so that tests can run it as a
// process of this machine with the very files, arguments and environment that its container gets.
package inject

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// Sidecar is an entry's container as it is on a Pod, and the text of its files by their names in the entry.
type Sidecar struct {
	Container corev1.Container
	Files     map[string]string
}

// New injects an entry with parameters into a Pod with one container, app. Pods are refused as they are in a cluster.
func New(entry string, parameters map[string]string) (*Sidecar, error) {
	var before corev1.Pod
	before.Name, before.Annotations = "p", map[string]string{v1alpha1.AnnotationInject: entry}
	for name, v := range parameters {
		before.Annotations[v1alpha1.Prefix+entry+"."+name] = v
	}
	user := int64(1000)
	before.Spec.Containers = []corev1.Container{{Name: "app", Image: "app:1", SecurityContext: &corev1.SecurityContext{RunAsUser: &user}}}
	after, err := admit(&before)
	if err != nil {
		return nil, err
	}
	s := &Sidecar{Files: map[string]string{}}
	for key, text := range after.Annotations {
		if name, ok := strings.CutPrefix(key, v1alpha1.AnnotationFilePrefix+entry+"."); ok {
			s.Files[name] = text
		}
	}
	i := slices.IndexFunc(after.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == entry })
	if i < 0 {
		return nil, fmt.Errorf("the Pod has no native sidecar %s", entry)
	}
	s.Container = after.Spec.InitContainers[i]
	return s, nil
}

// admit gives a Pod as the API server would admit it.
func admit(pod *corev1.Pod) (*corev1.Pod, error) {
	object, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	view, err := sidecars.ReadPod(object)
	if err != nil {
		return nil, err
	}
	res := sidecars.Inject(sidecars.Builtin(), view, &sidecars.Namespace{})
	if res.Outcome != sidecars.Injected {
		return nil, fmt.Errorf("%s: %v", res.Outcome, res.Errors)
	}
	patch, err := jsonpatch.DecodePatch(sidecars.AppendPatch(nil, res.Patch))
	if err != nil {
		return nil, err
	}
	if object, err = patch.Apply(object); err != nil {
		return nil, err
	}
	after := new(corev1.Pod)
	return after, json.Unmarshal(object, after)
}

// Environment is that of the container, with what the kubelet would take from the Pod, the node or a Secret.
func (s *Sidecar) Environment(elsewhere map[string]string) []string {
	env := map[string]string{}
	for _, e := range s.Container.Env {
		env[e.Name] = strings.ReplaceAll(e.Value, "$$", "$")
		switch from := e.ValueFrom; {
		case from == nil:
		case from.ResourceFieldRef != nil && from.ResourceFieldRef.Resource == "limits.cpu":
			env[e.Name] = fmt.Sprint(s.Container.Resources.Limits.Cpu().Value()) // rounded up, as the kubelet does
		default:
			env[e.Name] = elsewhere[e.Name]
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}
