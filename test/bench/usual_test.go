package bench

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// usual is a handler for controller-runtime's admission.Webhook as most injectors have it, in its favour: its decoder and
// the objects to add are made once, it has no parameter to look up, nothing to check, and no sidecar to look for.
type usual struct {
	decoder admission.Decoder
	add     additions
}

// additions are what a Pod gets, as typed objects.
type additions struct {
	// front go before the app's init containers, containers to the end of the container list.
	front, containers   []corev1.Container
	volumes             []corev1.Volume
	labels, annotations map[string]string
	gracePeriod         *int64
	shareProcesses      *bool
	// mounts and env are those of app containers, by the container's name.
	mounts map[string][]corev1.VolumeMount
	env    map[string][]corev1.EnvVar
}

func (u *usual) Handle(_ context.Context, req admission.Request) admission.Response {
	pod := &corev1.Pod{}
	if err := u.decoder.Decode(req, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	u.add.to(pod)
	changed, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(req.Object.Raw, changed)
}

func (a *additions) to(pod *corev1.Pod) {
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	maps.Copy(pod.Labels, a.labels)
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	maps.Copy(pod.Annotations, a.annotations)
	spec := &pod.Spec
	if a.gracePeriod != nil {
		spec.TerminationGracePeriodSeconds = a.gracePeriod
	}
	if a.shareProcesses != nil {
		spec.ShareProcessNamespace = a.shareProcesses
	}
	spec.Volumes = append(spec.Volumes, a.volumes...)
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			c := &list[i]
			c.VolumeMounts = append(c.VolumeMounts, a.mounts[c.Name]...)
			c.Env = append(c.Env, a.env[c.Name]...)
		}
	}
	if len(a.front) > 0 {
		spec.InitContainers = slices.Concat(a.front, spec.InitContainers)
	}
	spec.Containers = append(spec.Containers, a.containers...)
}

// usualWay gives the handler that adds what lies between two Pods.
func usualWay(t testing.TB, before, after *corev1.Pod) http.Handler {
	t.Helper()
	log.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return &admission.Webhook{Handler: &usual{decoder: admission.NewDecoder(scheme), add: between(before, after)}}
}

func between(before, after *corev1.Pod) additions {
	a := additions{
		labels: newMembers(before.Labels, after.Labels), annotations: newMembers(before.Annotations, after.Annotations),
		gracePeriod: after.Spec.TerminationGracePeriodSeconds, shareProcesses: after.Spec.ShareProcessNamespace,
		mounts: map[string][]corev1.VolumeMount{}, env: map[string][]corev1.EnvVar{},
	}
	a.volumes = newItems(before.Spec.Volumes, after.Spec.Volumes, func(v corev1.Volume) string { return v.Name })
	byName := func(c corev1.Container) string { return c.Name }
	a.front = newItems(before.Spec.InitContainers, after.Spec.InitContainers, byName)
	a.containers = newItems(before.Spec.Containers, after.Spec.Containers, byName)
	now := map[string]corev1.Container{}
	for _, c := range slices.Concat(after.Spec.InitContainers, after.Spec.Containers) {
		now[c.Name] = c
	}
	for _, c := range slices.Concat(before.Spec.InitContainers, before.Spec.Containers) {
		a.mounts[c.Name] = newItems(c.VolumeMounts, now[c.Name].VolumeMounts, func(m corev1.VolumeMount) string { return m.MountPath })
		a.env[c.Name] = newItems(c.Env, now[c.Name].Env, func(e corev1.EnvVar) string { return e.Name })
	}
	return a
}

func newMembers(before, after map[string]string) map[string]string {
	added := map[string]string{}
	for k, v := range after {
		if had, ok := before[k]; !ok || had != v {
			added[k] = v
		}
	}
	return added
}

func newItems[T any](before, after []T, name func(T) string) []T {
	var added []T
	for _, it := range after {
		if !slices.ContainsFunc(before, func(had T) bool { return name(had) == name(it) }) {
			added = append(added, it)
		}
	}
	return added
}
