package sidecars

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
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
	// MaxRequest bounds our own annotations on the Pod as it comes in, MaxNames the sidecars it may name (fewer fit), and
	// MaxAppContainers the containers of a Pod that asks (fewer run on a node): what is larger is not looked at any further.
	MaxRequest       = 64 << 10
	MaxNames         = 4 * MaxContainers
	MaxAppContainers = 256
)

// Rule: a Pod gets at most so many containers, volumes and bytes; a request for more is refused before the API server
// would refuse the Pod with less to say.
// Reads: size of metadata.annotations.
// Adds: nothing.
// Golden: ceilings.
func (p *plan) checkCeilings() {
	// A text is never longer than its JSON, which is quicker to measure.
	size := p.sizeOfAnnotations(func(v jsontext.Value) int { return len(v) })
	if size > MaxAnnotations {
		size = p.sizeOfAnnotations(textLength)
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

func (p *plan) sizeOfAnnotations(length func(jsontext.Value) int) int {
	size := p.pod.Metadata.Annotations.Size
	for _, a := range p.annotations {
		size += length(a.json)
		if was, there := p.pod.Metadata.Annotations.Ours[a.name]; there {
			size -= len(was)
			continue
		}
		size += len(a.name)
	}
	return size
}

// checkSize refuses a request that is too long to be meant; what an earlier run wrote does not count. It reports whether
// the request may be read.
func (r *request) checkSize() bool {
	size := 0
	for k, v := range r.pod.Metadata.Annotations.Ours {
		if k != v1alpha1.AnnotationStatus && !strings.HasPrefix(k, v1alpha1.AnnotationFilePrefix) {
			size += len(k) + len(v)
		}
	}
	if size > MaxRequest {
		r.fail(TooLarge, field.TooLong(field.NewPath("metadata", "annotations"), "", MaxRequest))
	}
	if n := strings.Count(r.asks, ",") + 1; n > MaxNames && size <= MaxRequest {
		r.fail(TooLarge, field.TooMany(r.injectPath(), n, MaxNames))
	}
	spec := &r.pod.Spec
	if n := len(spec.InitContainers) + len(spec.Containers) + len(spec.EphemeralContainers); n > MaxAppContainers {
		r.fail(TooLarge, field.TooMany(field.NewPath("spec", "containers"), n, MaxAppContainers))
	}
	return len(r.errs) == 0
}
