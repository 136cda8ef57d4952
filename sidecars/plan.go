package sidecars

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// plan is what will be added to one Pod, as data. The rules fill it; patch.go alone turns it into operations.
type plan struct {
	req      *request
	pod      *Pod
	sidecars []*sidecar
	// old is the status that the Pod carries; status the one it will carry.
	old    v1alpha1.Status
	status v1alpha1.Status

	volumes []addition
	// mounts and env are additions to containers that are there already.
	mounts []mountAddition
	env    []envAddition
	// front, after and regular are the additions to the container lists; placed.go gives the places.
	containers  []containerAddition
	annotations []addition

	shareProcessNamespace bool
	gracePeriod           *int64
	// requests are of the Pod itself.
	requests []addition

	errs field.ErrorList
	// warnings are of what the plan does; those of the request are there already.
	warnings []Warning
	// buf holds the JSON of all additions.
	buf []byte
	// guaranteed and podLevel say how resources are written.
	guaranteed, bestEffort bool
}

// sidecar is one requested entry on this Pod.
type sidecar struct {
	entry  *Entry
	values []value
	// was is the entry's record in the old status, nil where it has none.
	was *v1alpha1.InjectedSidecar
	// missing are the containers to add.
	missing []*container
	// joined gives for each of the entry's volumes which volume its containers mount.
	joined []joint
	// extra are mounts that other entries share into this one's containers.
	extra []Mount
	now   v1alpha1.InjectedSidecar
}

// joint is a volume and a path below it; the zero value where none is needed.
type joint struct {
	volume, subPath string
	// own: the entry's volume, to be added.
	own bool
}

// addition is a named piece of JSON.
type addition struct {
	name string
	json []byte
}

type mountAddition struct {
	to containerPlace
	Mount
}

type envAddition struct {
	to containerPlace
	addition
	// by is the entry that sets the variable to value.
	by, value string
}

type containerAddition struct {
	addition
	place        v1alpha1.Placement
	toCompletion bool
	sidecar      int
}

// newPlan is of a request that could be read; what it adds is written into buf.
func newPlan(r *request, buf []byte) *plan {
	p := &plan{req: r, pod: r.pod, buf: buf}
	p.sidecars = make([]*sidecar, len(r.entries))
	all := make([]sidecar, len(r.entries))
	for i, e := range r.entries {
		p.sidecars[i] = &all[i]
		all[i] = sidecar{entry: e, values: r.values[i], joined: make([]joint, len(e.volumes)),
			now: v1alpha1.InjectedSidecar{Name: e.Name, Revision: e.Revision}}
	}
	p.volumes = make([]addition, 0, 4*len(r.entries))
	p.annotations = make([]addition, 0, 3*len(r.entries))
	p.classifyQoS()
	return p
}

// sidecar gives the requested entry of that name, or nil.
func (p *plan) sidecar(name string) *sidecar {
	for _, s := range p.sidecars {
		if s.entry.Name == name {
			return s
		}
	}
	return nil
}

func (p *plan) fail(why Reason, e *field.Error) {
	e.Origin = string(why)
	p.errs = append(p.errs, e)
}

func (p *plan) warn(code, format string, args ...any) {
	p.warnings = append(p.warnings, Warning{code, fmt.Sprintf(format, args...)})
}

// json keeps what build appends.
func (p *plan) json(build func(dst []byte) []byte) []byte {
	start := len(p.buf)
	p.buf = build(p.buf)
	return p.buf[start:len(p.buf):len(p.buf)]
}

// empty reports whether nothing is to be added.
func (p *plan) empty() bool {
	return len(p.volumes)+len(p.mounts)+len(p.env)+len(p.containers) == 0
}

// ours reports whether the old status lists the container.
func (p *plan) ours(name string) bool {
	return slices.ContainsFunc(p.old.Sidecars, func(s v1alpha1.InjectedSidecar) bool { return slices.Contains(s.Containers, name) })
}

// app visits the containers that are not ours, init containers first.
func (p *plan) app(visit func(containerPlace)) {
	p.pod.all(func(at containerPlace) {
		if at.list != "ephemeralContainers" && !p.ours(at.ctr.Name) {
			visit(at)
		}
	})
}

// settingPath is where a Pod, or its Namespace, sets the parameter that enters a text first; the request where none does.
func (p *plan) settingPath(s *sidecar, t template) *field.Path {
	at := p.req.injectPath()
	found := false
	t.holes(func(h *hole) {
		if h.param >= 0 && !found {
			found = true
			at = annotationPath(v1alpha1.Prefix+s.entry.Name+"."+s.entry.params[h.param].name, s.values[h.param].from)
		}
	})
	return at
}

func (at containerPlace) path() *field.Path { return field.NewPath("spec", at.list).Index(at.index) }

func (p *plan) result() *Result {
	res := &Result{Outcome: Injected, Sidecars: p.req.names, Warnings: append(p.req.warnings, p.warnings...), Status: &p.status, settled: p.req}
	if p.empty() {
		res.Outcome, res.Warnings = Unchanged, p.req.warnings
		return res
	}
	res.Patch = p.patch()
	return res
}
