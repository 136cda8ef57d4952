package sidecars

import (
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: an emptyDir on disk keeps the cluster autoscaler from removing a node; ours must not, so they are appended to the
// autoscaler's list. https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md
// Reads, adds: metadata.annotations[cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes].
// Golden: safe-to-evict.
func (p *plan) allowEviction() {
	had := p.pod.Metadata.Annotations.Ours[v1alpha1.AnnotationSafeToEvict]
	listed := strings.Split(had, ",")
	for _, v := range p.volumes {
		if p.onDisk(v.name) && !slices.Contains(listed, v.name) {
			p.status.SafeToEvict = append(p.status.SafeToEvict, v.name)
		}
	}
	if len(p.status.SafeToEvict) == 0 {
		return
	}
	list := strings.Join(p.status.SafeToEvict, ",")
	if had != "" {
		list = had + "," + list
	}
	p.annotations = append(p.annotations, addition{v1alpha1.AnnotationSafeToEvict, p.json(func(dst []byte) []byte { return jsonString(dst, list) })})
}

func (p *plan) onDisk(name string) bool {
	if name == maskVolume {
		return true
	}
	for _, s := range p.sidecars {
		if i := slices.IndexFunc(s.entry.volumes, func(v volume) bool { return v.name == name }); i >= 0 {
			return s.entry.volumes[i].evictable
		}
	}
	return false
}
