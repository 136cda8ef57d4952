package webhook

import (
	"maps"

	"gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// decision is what becomes of one request: the core's answer, or the shell's where the core was not asked.
type decision struct {
	outcome  sidecars.Outcome
	reason   sidecars.Reason
	refused  bool
	sidecars []string
	// namespace is the Pod's, whose entries the names are.
	namespace string
	patch     []jsonpatch.Operation
	errors    field.ErrorList
	warnings  []sidecars.Warning
	// catalog is the revision that decided; empty where none was asked.
	catalog string
	// entries is that catalog, nil where none was asked.
	entries *sidecars.Catalog
}

// plainSkip reports whether the Pod asked for nothing and there is nothing to tell.
func (d *decision) plainSkip() bool {
	return d.outcome == sidecars.Skipped && d.reason == sidecars.NotRequested && len(d.warnings) == 0
}

// message says why a Pod is refused: every mistake, or else the warning that says why Pillion could not decide.
func (d *decision) message() string {
	if len(d.errors) > 0 || len(d.warnings) == 0 {
		return joinErrors(d.errors)
	}
	return cut(d.warnings[0].Code+": "+d.warnings[0].Text, maxMessage)
}

// decide answers the decoded review of a call.
func (h *Handler) decide(c *call) decision {
	req, required := &c.review.Request, c.required
	if why := h.leftAlone(req); why != sidecars.ReasonNone {
		return decision{outcome: sidecars.Skipped, reason: why}
	}
	ns, known := h.namespace(req.Namespace)
	if required && !known {
		return unavailable(NamespaceUnknown, true)
	}
	if required && !requires(&ns) {
		labels := maps.Clone(ns.Labels) // those of the source are shared
		if labels == nil {
			labels = map[string]string{}
		}
		labels[v1alpha1.LabelInjection] = v1alpha1.InjectionRequired
		ns.Labels = labels
	}
	entries := h.catalog()
	res := h.inject(&c.core, entries, &req.Object, &ns)
	return decision{
		outcome:  res.Outcome,
		reason:   res.Reason,
		refused:  res.Outcome == sidecars.Denied,
		sidecars: res.Sidecars, namespace: ns.Name,
		patch:    res.Patch,
		errors:   res.Errors,
		warnings: res.Warnings,
		catalog:  entries.Revision(),
		entries:  entries,
	}
}

// leftAlone says why a request is none of Pillion's business, or nothing. The webhook configuration keeps such requests
// away; this holds where somebody changed it.
func (h *Handler) leftAlone(req *request) sidecars.Reason {
	switch {
	case !req.createsPod():
		return OtherRequest
	case bool(req.UserInfo.Groups):
		return MirrorPod
	case req.Namespace == "kube-system", req.Namespace == h.ownNamespace && h.ownNamespace != "":
		return SystemNamespace
	}
	return sidecars.ReasonNone
}

func requires(ns *sidecars.Namespace) bool {
	return ns.Labels[v1alpha1.LabelInjection] == v1alpha1.InjectionRequired
}

// unavailable is the decision where Pillion cannot decide. An API server that ignores failures would admit the Pod too, so
// this one tells why; but where the Namespace requires sidecars, no failure lets a Pod through without them.
func unavailable(why sidecars.Reason, required bool) decision {
	w := sidecars.Warning{Code: CodePanic, Text: "Pillion failed on this Pod"}
	switch why {
	case Late:
		w = sidecars.Warning{Code: CodeDeadline, Text: "the review reached Pillion too late"}
	case Busy:
		w = sidecars.Warning{Code: CodeBusy, Text: "Pillion has too many reviews in hand"}
	case NamespaceUnknown:
		w = sidecars.Warning{Code: CodeNamespaceUnknown, Text: "Pillion does not know this Namespace yet"}
	}
	if required {
		w.Text += "; the Namespace requires sidecars, so the Pod is refused: try again"
	} else {
		w.Text += "; no sidecar was injected"
	}
	return decision{outcome: Unavailable, reason: why, refused: required, warnings: []sidecars.Warning{w}}
}
