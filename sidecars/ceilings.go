package sidecars

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Ceilings on what one Pod may get. MaxAnnotations is Kubernetes' own limit on all annotations of an object, in bytes:
// https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
const (
	MaxContainers  = 8
	MaxVolumes     = 16
	MaxPatch       = 256 << 10
	MaxAnnotations = 256 << 10
	// MaxRequest bounds our own annotations on the Pod as it comes in.
	MaxRequest = 64 << 10
)

// Rule: a Pod gets at most so many containers, volumes and bytes; a request for more is refused before the API server
// would refuse the Pod with less to say.
// Reads: size of metadata.annotations.
// Adds: nothing.
// Golden: ceilings.
func (p *plan) checkCeilings() {
	size := p.pod.Metadata.Annotations.Size
	for _, a := range p.annotations {
		size += textLength(a.json)
		if was, there := p.pod.Metadata.Annotations.Ours[a.name]; there {
			size -= len(was)
			continue
		}
		size += len(a.name)
	}
	for _, c := range []struct {
		what     string
		got, max int
	}{
		{"containers", len(p.containers), MaxContainers},
		{"volumes", len(p.volumes), MaxVolumes},
		{"bytes of additions", len(p.buf), MaxPatch},
		{"bytes of annotations", size, MaxAnnotations},
	} {
		if c.got > c.max {
			why := fmt.Sprintf("the request comes to %d %s, the most is %d", c.got, c.what, c.max)
			p.fail(TooLarge, field.Forbidden(p.req.injectPath(), why))
		}
	}
}

// checkSize refuses a request that is too long to be meant; what an earlier run wrote does not count.
func (r *request) checkSize() {
	size := 0
	for k, v := range r.pod.Metadata.Annotations.Ours {
		if k != v1alpha1.AnnotationStatus && !strings.HasPrefix(k, v1alpha1.AnnotationFilePrefix) {
			size += len(k) + len(v)
		}
	}
	if size > MaxRequest {
		r.fail(TooLarge, field.TooLong(field.NewPath("metadata", "annotations"), "", MaxRequest))
	}
}
