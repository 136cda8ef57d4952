package sidecars

import (
	"strings"
	"unicode"

	"gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Outcome says what became of a Pod.
type Outcome string

// The outcomes.
const (
	// Injected: Patch adds what the request lacks.
	Injected Outcome = "injected"
	// Unchanged: everything asked for is there already.
	Unchanged Outcome = "unchanged"
	// Skipped: nothing was asked for, or the Pod is one that is left alone; Reason says which.
	Skipped Outcome = "skipped"
	// Denied: the request cannot be met whole; Errors holds every reason and the Pod is to be refused.
	Denied Outcome = "denied"
	// Ignored: as Denied, but the Pod says pillion.dev/failure-policy: Ignore and is to be admitted untouched, with the
	// reasons as warnings.
	Ignored Outcome = "ignored"
)

// Reason is a word for why an outcome came about; it labels metrics and logs.
type Reason string

// The reasons. Injected and Unchanged have none.
const (
	// ReasonNone goes with Injected and Unchanged.
	ReasonNone Reason = ""
	// NotRequested: neither the Pod nor its Namespace asks for a sidecar.
	NotRequested Reason = "notRequested"
	// OptedOut: the Pod, or its Namespace, says pillion.dev/inject: "false".
	OptedOut Reason = "optedOut"
	// HostNetworkDefault and WindowsDefault: such a Pod did not ask itself, only its Namespace did.
	HostNetworkDefault Reason = "hostNetwork"
	WindowsDefault     Reason = "windows"
	// BadRequest: an annotation is malformed.
	BadRequest Reason = "badRequest"
	// UnknownSidecar: the catalog has no such entry, or not for this Namespace.
	UnknownSidecar Reason = "unknownSidecar"
	// BadParameter: a parameter is unknown, missing or out of its bounds.
	BadParameter Reason = "badParameter"
	// Conflict: names, ports, paths, volumes, security or resources of the Pod stand against it.
	Conflict Reason = "conflict"
	// TooLarge: a ceiling is exceeded.
	TooLarge Reason = "tooLarge"
)

// Result is the answer of Inject.
type Result struct {
	// Outcome and Reason classify the answer.
	Outcome Outcome
	Reason  Reason
	// Sidecars are the entries asked for, in the order of injection; on Denied and Ignored, the names as asked for.
	Sidecars []string
	// Patch holds RFC 6902 add operations against the Pod as it was given; each Value is a json.RawMessage. Empty unless
	// Outcome is Injected.
	Patch []jsonpatch.Operation
	// Errors are the user's mistakes, with field paths in the Pod, sorted; empty unless Outcome is Denied or Ignored.
	Errors field.ErrorList
	// Warnings are worth telling the user in every outcome.
	Warnings []Warning
	// Status is what the status annotation says after the patch; nil unless Outcome is Injected or Unchanged.
	Status *v1alpha1.Status

	// settled is the request behind Injected and Unchanged.
	settled *request
}

// Settings lists the parameters in force, by sidecar in the order of injection and by name; none on Skipped, Denied and
// Ignored. It is worked out when asked for: a webhook never does.
func (r *Result) Settings() []Setting {
	if r.settled == nil {
		return nil
	}
	var out []Setting
	for i, e := range r.settled.entries {
		for j, v := range r.settled.values[i] {
			out = append(out, Setting{e.Name, e.params[j].name, v.text, v.from})
		}
	}
	return out
}

// Setting is one parameter in force on a Pod.
type Setting struct {
	// Sidecar and Parameter name it; Value is its text.
	Sidecar, Parameter, Value string
	// Source says where the value came from.
	Source Source
}

// Source says where a value came from.
type Source string

// The sources of a value.
const (
	FromPod       Source = "pod"
	FromNamespace Source = "namespace"
	FromDefault   Source = "default"
)

// MaxWarning is the length in bytes to which a Warning is cut; the API server may cut longer ones:
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response
const MaxWarning = 120

// Warning is a coded sentence for whoever created the Pod. The codes are listed in docs/warnings.md.
type Warning struct {
	// Code such as "P101"; stable for life.
	Code string
	// Text of the warning, without the code.
	Text string
}

// String gives code and text in at most MaxWarning bytes of printable characters.
func (w Warning) String() string {
	s := strings.Map(printable, w.Code+": "+w.Text)
	if len(s) <= MaxWarning {
		return s
	}
	return strings.ToValidUTF8(s[:MaxWarning-3], "") + "..."
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
