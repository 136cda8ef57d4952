package sidecars

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/api/resource"
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
	// MaxRequestsCPU, in CPUs, and MaxRequestsMemory, in bytes, bound the sum of the requests of what is added. They are
	// generous: a built-in entry at its highest stays below them, and four of ordinary size do.
	MaxRequestsCPU    = 8
	MaxRequestsMemory = 16 << 30
	// MaxRequest bounds our own annotations on the Pod as it comes in, MaxNames the sidecars it may name (fewer fit), and
	// MaxAppContainers the containers of a Pod that asks (fewer run on a node): what is larger is not looked at any further.
	MaxRequest       = 64 << 10
	MaxNames         = 4 * MaxContainers
	MaxAppContainers = 256
)

// Rule: a Pod gets at most so many containers, volumes and bytes, and so much CPU and memory is asked for by what it gets;
// a request for more is refused before the API server would refuse the Pod with less to say, or no node would take it.
// Reads: size of metadata.annotations.
// Adds: nothing.
// Golden: ceilings, ceilings-requests, ceilings-requests-guaranteed.
func (p *plan) checkCeilings() {
	for _, x := range p.exceeded() {
		p.fail(TooLarge, field.Forbidden(p.req.injectPath(), x.why))
	}
}

// excess is a ceiling that is exceeded: of what, in which list of an entry's spec (or in the whole), and the sentence.
type excess struct{ what, list, why string }

func (p *plan) exceeded() []excess {
	// A text is never longer than its JSON, which is quicker to measure.
	size := p.sizeOfAnnotations(func(v jsontext.Value) int { return len(v) })
	if size > MaxAnnotations {
		size = p.sizeOfAnnotations(textLength)
	}
	var out []excess
	for _, c := range []struct {
		what, list string
		got, max   int
	}{
		{"containers", "containers", len(p.containers), MaxContainers},
		{"volumes", "volumes", len(p.volumes), MaxVolumes},
		{"bytes of additions", "", len(p.buf), MaxPatch},
		{"bytes of annotations", "files", size, MaxAnnotations},
	} {
		if c.got > c.max {
			out = append(out, excess{c.what, c.list, fmt.Sprintf("the request comes to %d %s, the most is %d", c.got, c.what, c.max)})
		}
	}
	return append(out, tooMuch(p.addedRequests())...)
}

// tooMuch looks at sums of requests.
func tooMuch(cpu, memory resource.Quantity) []excess {
	var out []excess
	for _, c := range []struct {
		what     string
		got, max resource.Quantity
	}{
		{"CPU", cpu, *resource.NewQuantity(MaxRequestsCPU, resource.DecimalSI)},
		{"memory", memory, *resource.NewQuantity(MaxRequestsMemory, resource.BinarySI)},
	} {
		if c.got.Cmp(c.max) > 0 {
			out = append(out, excess{c.what, "containers", fmt.Sprintf("the sidecars' containers request %s %s in all, the most is %s", c.got.String(), c.what, c.max.String())})
		}
	}
	return out
}

// addedRequests gives the sum of what the added containers request. One that runs to completion counts only where it alone
// asks for more, as the scheduler counts it. Where the Pod has resources of its own, they request nothing.
func (p *plan) addedRequests() (cpu, memory resource.Quantity) {
	if !p.pod.Spec.Resources.empty() {
		return cpu, memory
	}
	var sum requestSum
	for _, s := range p.sidecars {
		for _, c := range s.missing {
			of := &c.requests
			if p.guaranteed {
				of = &c.most
			}
			sum.add(c, of, s.values)
		}
	}
	return sum.total()
}

// requestSum adds up what containers request.
type requestSum struct{ cpu, memory, aloneCPU, aloneMemory resource.Quantity }

func (r *requestSum) add(c *container, of *amounts, values []value) {
	cpu, memory := of.cpu.quantity(values), of.memory.quantity(values)
	if c.toCompletion {
		r.aloneCPU, r.aloneMemory = larger(r.aloneCPU, cpu), larger(r.aloneMemory, memory)
		return
	}
	r.cpu.Add(cpu)
	r.memory.Add(memory)
}

func (r *requestSum) total() (cpu, memory resource.Quantity) {
	return larger(r.cpu, r.aloneCPU), larger(r.memory, r.aloneMemory)
}

func larger(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) < 0 {
		return b
	}
	return a
}

// amounts are the CPU and memory of a container's requests or limits.
type amounts struct{ cpu, memory amount }

// amount is a quantity that is known when an entry is compiled, or a text that becomes one.
type amount struct {
	text  template
	fixed resource.Quantity
}

// quantity gives the amount; nothing where the text is no quantity, which the proof of the entry or the API server refuses.
func (a *amount) quantity(values []value) resource.Quantity {
	if a.text == nil {
		return a.fixed
	}
	q, err := resource.ParseQuantity(a.text.text(values))
	if err != nil {
		return resource.Quantity{}
	}
	return q
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
