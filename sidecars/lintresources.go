package sidecars

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: what an entry requests is stated, bounded, and within the ceilings of ceilings.go. That it exceeds them at its
// defaults is an error of the proof; here is what it takes for a Pod to be refused. (A container without limits does not
// compile.)
// Reads: resources of every container, the declarations of the parameters in them.
// Golden: none, see TestLint.
func (l *linter) resources() {
	e := l.entry
	u := l.proof.uses()
	for i := range e.containers {
		c := &e.containers[i]
		l.mustRequest(c)
		for _, a := range []*amount{&c.requests.cpu, &c.requests.memory, &c.most.cpu, &c.most.memory} {
			u.template(a.text)
		}
	}
	most := slices.Clone(l.proof.base)
	for _, i := range u.list() {
		p := &e.params[i]
		if p.max == nil && p.decl.Enum == nil && p.decl.Pattern == "" {
			l.warn(field.NewPath("spec", "parameters").Key(p.name), CodeUnboundedResource, "decides over resources and has no maximum")
		}
		if v, ok := p.greatest(); ok {
			most[i] = v
		}
	}
	at := field.NewPath("spec", "containers")
	if l.requested(l.proof.base, false) != "" {
		return // the proof says so
	}
	if why := l.requested(most, false); why != "" {
		l.warn(at, CodeRequestsAtMaximum, "%s%s", why, l.proof.settings(most))
	}
	if why := l.requested(l.proof.base, true); why != "" {
		l.warn(at, CodeRequestsGuaranteed, "in a Guaranteed Pod, where limits are requested, %s", why)
	}
}

// requested says what an entry's containers request too much of.
func (l *linter) requested(values []value, guaranteed bool) string {
	var sum requestSum
	for i := range l.entry.containers {
		c := &l.entry.containers[i]
		of := &c.requests
		if guaranteed {
			of = &c.most
		}
		if c.when.holds(values) {
			sum.add(c, of, values)
		}
	}
	var out []string
	for _, x := range tooMuch(sum.total()) {
		out = append(out, x.why)
	}
	return strings.Join(out, ", and ")
}

// greatest gives the greatest value that is declared.
func (p *param) greatest() (value, bool) {
	if p.max != nil {
		v, err := p.parse(p.max.text)
		return v, err == nil
	}
	var best *bound
	for _, text := range p.decl.Enum {
		if b, err := newBound(v1alpha1.TypeQuantity, text); err == nil && (best == nil || best.less(b)) {
			best = b
		}
	}
	if best == nil {
		return value{}, false
	}
	v, err := p.parse(best.text)
	return v, err == nil
}

// mustRequest looks for requests that are not stated.
func (l *linter) mustRequest(c *container) {
	raw := l.entry.bodyOf(c.name)[memberResources]
	var r struct{ Requests map[string]json.RawMessage }
	if json.Unmarshal(raw, &r) != nil {
		return
	}
	var lacks []string
	for _, name := range []string{"cpu", "memory"} {
		if r.Requests[name] == nil {
			lacks = append(lacks, name)
		}
	}
	if lacks != nil {
		at := l.entry.containerPath(c.name).Child(memberResources, "requests")
		l.warn(at, CodeNoRequest, "states none for %s, so that the limit is requested", strings.Join(lacks, " and "))
	}
}

// bodyOf gives a container as it was written.
func (e *Entry) bodyOf(name string) v1alpha1.Object {
	for _, list := range [][]v1alpha1.Container{e.Spec.Containers, e.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return list[i].Body
			}
		}
	}
	return nil
}
