package sidecars

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Rule: a Pod asks for sidecars by annotation; its Namespace's annotations are defaults, key by key. A Namespace asks for
// its Pods only where it is labelled pillion.dev/injection=enabled or required: the webhook is not called for others. In
// one that requires sidecars the Pod can add to the Namespace's list, not opt out of it.
// Reads: metadata.annotations[pillion.dev/…] of the Pod, then of its Namespace.
// Adds: nothing.
// Golden: request-*, required-*, parameter-*.
type request struct {
	pod *Pod
	ns  *Namespace
	// names as asked for; entries and values beside them once they are read, in the order of injection.
	names   []string
	entries []*Entry
	values  [][]value
	// asksFrom says whose annotation asks.
	asksFrom Source
	asks     string
	// helper is what the cluster has of the node helper.
	helper Helper
	// ignore: failure-policy Ignore.
	ignore   bool
	errs     field.ErrorList
	warnings []Warning
}

func newRequest(pod *Pod, ns *Namespace) *request {
	r := &request{pod: pod, ns: ns, asksFrom: FromPod}
	own, asked := pod.Metadata.Annotations.Ours[v1alpha1.AnnotationInject]
	own = strings.TrimSpace(own)
	def, hasDefault := ns.Annotations[v1alpha1.AnnotationInject]
	r.asks = own
	if !asked && ns.asks() {
		r.asks, r.asksFrom = def, FromNamespace
	}
	if ns.requires() && hasDefault && asked && strings.TrimSpace(def) != v1alpha1.InjectFalse {
		r.asks = def
		if own != v1alpha1.InjectFalse && own != "" {
			r.asks = def + "," + own
		}
	}
	if hasDefault && !asked && !ns.asks() {
		r.warn(CodeUnlabelled, "Namespace %s has %s but not the label %s", ns.Name, v1alpha1.AnnotationInject, v1alpha1.LabelInjection)
	}
	return r
}

// skip says why nothing is to be done, or ReasonNone.
func (r *request) skip() Reason {
	asks := strings.TrimSpace(r.asks)
	_, own := r.pod.Metadata.Annotations.Ours[v1alpha1.AnnotationInject]
	switch {
	case asks == v1alpha1.InjectFalse:
		return OptedOut
	case asks == "" && own:
		r.warn(CodeEmptyRequest, "%s is empty: name sidecars, or say \"false\"", v1alpha1.AnnotationInject)
		return NotRequested
	case asks == "":
		return NotRequested
	}
	if r.asksFrom == FromNamespace && !r.ns.requires() {
		return r.skipDefault()
	}
	return ReasonNone
}

// read looks the entries up and checks every parameter.
func (r *request) read(c *Catalog, w *Workspace) {
	r.helper = c.helper
	if !r.checkSize() {
		r.failurePolicy()
		return
	}
	r.failurePolicy()
	for name := range strings.SplitSeq(r.asks, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if slices.Contains(r.names, name) {
			if !r.ns.requires() {
				r.fail(BadRequest, field.Duplicate(r.injectPath(), quotedIfLong(name)))
			}
			continue
		}
		r.names = append(r.names, name)
		r.lookUp(c, name)
	}
	if len(r.names) == 0 {
		r.fail(BadRequest, field.Invalid(r.injectPath(), quotedIfLong(r.asks), "names no sidecar"))
	}
	if len(r.errs) == 0 {
		r.sort(c)
	}
	for _, e := range r.entries {
		r.values = append(r.values, r.readValues(e, w.defaults(e)))
	}
	r.warnings = nil
	r.warnOfKeys(c)
}

func (r *request) lookUp(c *Catalog, name string) {
	e, out := c.Entry(r.ns.Name, name), c.LeftOut(r.ns.Name, name)
	switch {
	case e == nil && name == v1alpha1.InjectFalse:
		r.fail(BadRequest, field.Invalid(r.askPath(name), name, "opts out, so it stands alone"))
	case out != "":
		r.fail(UnknownSidecar, field.Invalid(r.askPath(name), name, "the catalog's entry has a mistake: "+quotedIfLong(out)))
	case e == nil:
		r.fail(UnknownSidecar, field.Invalid(r.askPath(name), quotedIfLong(name), "no such sidecar"+hint(name, c.Names(r.ns.Name), "the catalog has")))
	case !e.selector.Matches(labelSet(r.ns.Labels)):
		r.fail(UnknownSidecar, field.Forbidden(r.askPath(name), "sidecar "+name+" is not offered to Namespace "+r.ns.Name))
	default:
		r.entries = append(r.entries, e)
	}
}

// askPath is where a sidecar is asked for: in a Namespace that requires sidecars, the Namespace's list comes first.
func (r *request) askPath(name string) *field.Path {
	if r.ns.requires() {
		for required := range strings.SplitSeq(r.ns.Annotations[v1alpha1.AnnotationInject], ",") {
			if strings.TrimSpace(required) == name {
				return annotationPath(v1alpha1.AnnotationInject, FromNamespace)
			}
		}
	}
	return r.injectPath()
}

func (r *request) failurePolicy() {
	key := v1alpha1.AnnotationFailurePolicy
	policy, from, ok := r.lookup(key)
	switch {
	case !ok || policy == v1alpha1.FailurePolicyFail:
	case policy == v1alpha1.FailurePolicyIgnore:
		r.ignore = !r.ns.requires()
	default:
		e := field.NotSupported(annotationPath(key, from), quotedIfLong(policy), []string{v1alpha1.FailurePolicyFail, v1alpha1.FailurePolicyIgnore})
		r.fail(BadRequest, e)
	}
}

// lookup gives the value of a key, the Pod's before the Namespace's.
func (r *request) lookup(key string) (string, Source, bool) {
	if v, ok := r.pod.Metadata.Annotations.Ours[key]; ok {
		return v, FromPod, true
	}
	v, ok := r.ns.Annotations[key]
	return v, FromNamespace, ok
}

// readValues puts what is set in the place of the defaults.
func (r *request) readValues(e *Entry, values []value) []value {
	for i := range e.params {
		p := &e.params[i]
		text, from, ok := r.lookup(p.key)
		if !ok {
			if p.decl.Required {
				r.fail(BadParameter, field.Required(annotationPath(p.key, FromPod), describe(p)))
			}
			continue
		}
		v, err := p.parse(text)
		if err != nil {
			r.fail(BadParameter, field.Invalid(annotationPath(p.key, from), quotedIfLong(text), err.Error()))
			continue
		}
		v.from = from
		values[i] = v
	}
	return values
}

func describe(p *param) string {
	s := "a " + string(p.typ)
	if p.decl.Description != "" {
		s += ": " + p.decl.Description
	}
	return s
}

func (r *request) fail(why Reason, e *field.Error) {
	e.Origin = string(why)
	r.errs = append(r.errs, e)
}

// quotedIfLong cuts a value that is too long for a message.
func quotedIfLong(s string) string {
	if len(s) <= 128 {
		return s
	}
	return quoted(s)
}
