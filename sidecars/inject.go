package sidecars

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Inject answers what becomes of a Pod: nothing, a patch, or a refusal with every reason. It reads the Pod and never
// writes it; the same input gives the same bytes. The Namespace may be the zero value where nothing is known of it.
func Inject(c *Catalog, pod *Pod, ns *Namespace) *Result {
	return new(Workspace).Inject(c, pod, ns)
}

// Inject is the package's Inject. Patch and Settings of its Result hold until the Workspace is used again.
func (w *Workspace) Inject(c *Catalog, pod *Pod, ns *Namespace) *Result {
	w.values = w.values[:0]
	req := newRequest(pod, ns)
	if why := req.skip(); why != ReasonNone {
		req.warnOfKeys(nil)
		return &Result{Outcome: Skipped, Reason: why, Warnings: req.warnings}
	}
	req.read(c, w)
	if len(req.errs) > 0 {
		return req.refuse(req.errs)
	}
	p := newPlan(req, w.buffer(req.entries))
	defer w.keep(p)
	p.gather()
	if len(p.errs) > 0 {
		return req.refuse(p.errs)
	}
	return p.result()
}

// gather runs the rules. The order on the page is the order in which they see each other's additions.
func (p *plan) gather() {
	p.checkSpec()          // spec.go
	p.checkKind()          // hostnetwork.go
	p.checkPodSecurity()   // podsecurity.go
	p.identify()           // identity.go
	p.checkNames()         // names.go
	p.checkConflictsWith() // order.go
	p.joinVolumes()        // join.go
	p.addVolumes()         // volumes.go
	p.addFiles()           // files.go
	p.addContainers()      // containers.go, token.go, paths.go, runas.go, resources.go
	p.completeRequests()   // resources.go
	p.addEnv()             // env.go
	p.checkPorts()         // ports.go
	p.shareProcesses()     // processes.go
	p.askNode()            // node.go, noderedirect.go, nodejoin.go
	p.extendGrace()        // grace.go
	p.allowEviction()      // evict.go
	p.warnOfQoS()          // resources.go
	p.setStatus()          // status.go
	p.checkCeilings()      // ceilings.go
}

// refuse turns mistakes into an answer: a refusal, or an admission with warnings where the Pod says so. Warnings of what
// the plan would have done are left out: it is not done.
func (r *request) refuse(errs field.ErrorList) *Result {
	res := &Result{Outcome: Denied, Reason: reasonOf(errs), Sidecars: r.names, Errors: sortErrors(errs), Warnings: r.warnings}
	if !r.ignore {
		return res
	}
	res.Outcome = Ignored
	for _, e := range res.Errors {
		res.Warnings = append(res.Warnings, Warning{CodeIgnored, e.Error()})
	}
	return res
}

// The origins of errors, by which a refusal gets its Reason; the first of this order that occurs names it.
var reasons = []Reason{BadRequest, UnknownSidecar, BadParameter, TooLarge, Conflict}

// reasonOf gives the reason of a list of errors: the origin marked on them, Conflict where none is.
func reasonOf(errs field.ErrorList) Reason {
	for _, r := range reasons {
		for _, e := range errs {
			if e.Origin == string(r) {
				return r
			}
		}
	}
	return Conflict
}

func annotationPath(key string, from Source) *field.Path {
	root := field.NewPath("metadata")
	if from == FromNamespace {
		root = field.NewPath("namespace", "metadata")
	}
	return root.Child("annotations").Key(key)
}

// injectPath is where a Pod, or its Namespace, asks.
func (r *request) injectPath() *field.Path {
	return annotationPath(v1alpha1.AnnotationInject, r.asksFrom)
}
