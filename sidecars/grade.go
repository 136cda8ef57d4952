package sidecars

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
)

// grade sets the Pod Security level: that of everything that may be added, whatever its condition. What cannot be decoded,
// which the proof will say, is graded privileged.
func (c *compiler) grade() {
	c.entry.Level = api.LevelPrivileged
	if spec, ok := c.entry.everything(c.sampleValues()); ok {
		if level, err := LevelOf(&metav1.ObjectMeta{}, spec); err == nil {
			c.entry.Level = level
		}
	}
}

// everything gives all of an entry's containers and volumes, whatever their conditions.
func (e *Entry) everything(values []value) (*corev1.PodSpec, bool) {
	values = whatever(values)
	var spec corev1.PodSpec
	for i := range e.containers {
		ctr := &e.containers[i]
		var out corev1.Container
		if strictDecode(append(ctr.head.fill(nil, values, nil), '}'), &out) != nil {
			return nil, false
		}
		out.SecurityContext = ctr.security.DeepCopy()
		if e.runAsOf != nil {
			user := int64(gradedUser)
			out.SecurityContext.RunAsUser = &user
		}
		spec.Containers = append(spec.Containers, out)
	}
	for i := range e.volumes {
		var out corev1.Volume
		if strictDecode(e.volumes[i].body.fill(nil, values, nil), &out) != nil {
			return nil, false
		}
		spec.Volumes = append(spec.Volumes, out)
	}
	return &spec, true
}

// whatever gives values that meet every condition.
func whatever(values []value) []value {
	values = slices.Clone(values)
	for i := range values {
		values[i].any = true
	}
	return values
}

// gradedUser stands for the app's user in an entry that runs as it: any that is not root.
const gradedUser = 1000
