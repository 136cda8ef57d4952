package cli

import (
	"fmt"
	"strings"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// misplaced warns of a request that stands on the workload and not in its pod template, where it counts.
func (o *object) misplaced(pod *sidecars.Pod) []string {
	if o.podPrefix == "" || pod.Metadata.Annotations.Ours[v1alpha1.AnnotationInject] != "" {
		return nil
	}
	return o.requestAt("counts only below " + o.podPrefix + "metadata.annotations: move it there")
}

// misunderstood warns of a request on an object that is no known workload.
func (o *object) misunderstood() []string {
	return o.requestAt(fmt.Sprintf("counts for nothing: %s %s is no Pod and no workload that Pillion knows", o.apiVersion, o.kind))
}

func (o *object) requestAt(why string) []string {
	raw := o.metadata["annotations"]
	if !strings.Contains(string(raw), v1alpha1.AnnotationInject) || o.values("annotations")[v1alpha1.AnnotationInject] == nil {
		return nil
	}
	at := o.place(askPointer)
	return []string{fmt.Sprintf("%s: %s on this %s %s", at, v1alpha1.AnnotationInject, o.kind, why)}
}
