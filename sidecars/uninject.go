package sidecars

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Uninject gives the operations that take out again what the status annotation lists, and nil where a Pod carries none.
// A list or map that is left empty goes with it, as does a grace period that was the default: the API server does not
// tell these from absent ones. For the same reason requests of the Pod itself that completeRequests stated stay.
func Uninject(pod *Pod) []jsonpatch.Operation {
	st := readStatus(pod)
	if st.Version == 0 {
		return nil
	}
	u := &remover{pod: pod, status: &st}
	u.containers("initContainers", pod.Spec.InitContainers)
	u.containers("containers", pod.Spec.Containers)
	u.volumes()
	u.app()
	u.rest()
	u.metadata()
	return u.ops
}

type remover struct {
	pod    *Pod
	status *v1alpha1.Status
	ops    []jsonpatch.Operation
}

func (u *remover) remove(path string) {
	u.ops = append(u.ops, jsonpatch.Operation{Operation: "remove", Path: path})
}

func (u *remover) replace(path string, value any) {
	b, err := json.Marshal(value)
	if err == nil {
		u.ops = append(u.ops, jsonpatch.Operation{Operation: "replace", Path: path, Value: json.RawMessage(b)})
	}
}

// list removes the elements that ours picks out, from the last to the first, or the list where all go.
func (u *remover) list(path string, n int, ours func(i int) bool) {
	var at []int
	for i := range n {
		if ours(i) {
			at = append(at, i)
		}
	}
	if n > 0 && len(at) == n {
		u.remove(path)
		return
	}
	for _, i := range slices.Backward(at) {
		u.remove(path + "/" + strconv.Itoa(i))
	}
}

func (u *remover) ours(container string) bool {
	return slices.ContainsFunc(u.status.Sidecars, func(s v1alpha1.InjectedSidecar) bool { return slices.Contains(s.Containers, container) })
}

// app takes mounts and variables out of containers that stay. It runs last, so it counts containers without ours.
func (u *remover) app() {
	left := map[string]int{}
	u.pod.all(func(c containerPlace) {
		if c.list != "ephemeralContainers" && u.ours(c.ctr.Name) {
			return
		}
		at := "/spec/" + c.list + "/" + strconv.Itoa(left[c.list])
		left[c.list]++
		i := slices.IndexFunc(u.status.App, func(in v1alpha1.InjectedInto) bool { return in.Container == c.ctr.Name })
		if i < 0 {
			return
		}
		in := &u.status.App[i]
		u.list(at+"/volumeMounts", len(c.ctr.VolumeMounts), func(i int) bool { return slices.Contains(in.Mounts, c.ctr.VolumeMounts[i].MountPath) })
		env := variables(c.ctr)
		u.list(at+"/env", len(env), func(i int) bool { return slices.Contains(in.Env, env[i].Name) })
	})
}

func (u *remover) containers(list string, ctrs []Container) {
	u.list("/spec/"+list, len(ctrs), func(i int) bool { return u.ours(ctrs[i].Name) })
}

func (u *remover) volumes() {
	vols := u.pod.Spec.Volumes
	u.list("/spec/volumes", len(vols), func(i int) bool {
		return slices.Contains(u.status.Volumes, vols[i].Name) ||
			slices.ContainsFunc(u.status.Sidecars, func(s v1alpha1.InjectedSidecar) bool { return slices.Contains(s.Volumes, vols[i].Name) })
	})
}

func (u *remover) rest() {
	if u.status.ShareProcessNamespace && u.pod.Spec.ShareProcessNamespace != nil {
		u.remove("/spec/shareProcessNamespace")
	}
	if was := u.status.GracePeriodWas; was != nil && u.pod.Spec.TerminationGracePeriodSeconds != nil {
		if *was == defaultGrace {
			u.remove("/spec/terminationGracePeriodSeconds")
			return
		}
		u.replace("/spec/terminationGracePeriodSeconds", *was)
	}
}

func (u *remover) metadata() {
	meta := &u.pod.Metadata
	gone := []string{v1alpha1.AnnotationStatus}
	for _, s := range u.status.Sidecars {
		for _, f := range s.Files {
			gone = append(gone, v1alpha1.AnnotationFilePrefix+s.Name+"."+f)
		}
	}
	if list, ok := meta.Annotations.Ours[v1alpha1.AnnotationSafeToEvict]; ok && len(u.status.SafeToEvict) > 0 {
		left := slices.DeleteFunc(strings.Split(list, ","), func(v string) bool { return slices.Contains(u.status.SafeToEvict, v) })
		if len(left) == 0 {
			gone = append(gone, v1alpha1.AnnotationSafeToEvict)
		} else {
			u.replace("/metadata/annotations/"+strings.ReplaceAll(v1alpha1.AnnotationSafeToEvict, "/", "~1"), strings.Join(left, ","))
		}
	}
	if u.status.RequiredPlugin {
		gone = append(gone, v1alpha1.AnnotationRequiredPlugins)
	}
	u.members("/metadata/annotations", &meta.Annotations, gone)
	u.members("/metadata/labels", &meta.Labels, []string{v1alpha1.LabelInjected})
}

func (u *remover) members(path string, m *Annotations, keys []string) {
	keys = slices.DeleteFunc(union(nil, keys), func(k string) bool { return !m.has(k) })
	if len(keys) == m.Count && m.Count > 0 {
		u.remove(path)
		return
	}
	for _, k := range keys {
		u.remove(path + "/" + strings.ReplaceAll(strings.ReplaceAll(k, "~", "~0"), "/", "~1"))
	}
}

// has reports whether a key that is known is there.
func (a *Annotations) has(key string) bool {
	_, ours := a.Ours[key]
	_, plugin := a.Plugins[key]
	return ours || plugin
}
