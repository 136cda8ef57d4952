// Package webhook is the shell around package sidecars in the cluster: the handler that answers AdmissionReviews, the
// HTTPS server with its drain, the sources of the catalog and of Namespaces, readiness, metrics and the log line of every
// decision. It acts; what becomes of a Pod is for package sidecars alone to say.
//
// Nothing on the way of an admission request does I/O: catalog and Namespaces are read from memory that other goroutines
// keep up to date, so an API server or a disk that goes away changes no answer.
//
//	a request              handler.go limits.go guard.go review.go decision.go answer.go log.go
//	the server             server.go drain.go selfcheck.go
//	the catalog            catalog.go watch.go (embedded, directory), cluster*.go (API server)
//	the API server         reflect.go namespaces.go
//	what operators see     ops.go readiness.go metrics.go
package webhook

import "github.com/pillion-dev/pillion/sidecars"

// Paths of the admission port. Every other path is 404.
const (
	// PathMutate answers reviews. Where Pillion cannot decide, the Pod is admitted untouched with a warning, unless its
	// Namespace is known to require sidecars.
	PathMutate = "/mutate"
	// PathRequired answers reviews of Namespaces labelled pillion.dev/injection=required, for the webhook entry whose
	// failurePolicy is Fail: where Pillion cannot decide, the Pod is refused, also where the Namespace is not known yet.
	PathRequired = "/mutate/required"
)

// Codes of the warnings that the shell gives, beside those of package sidecars; each is stable for life.
const (
	// CodePanic: Pillion failed on this Pod; the stack is in its log.
	CodePanic = "P900"
	// CodeDeadline: the review took too long to arrive.
	CodeDeadline = "P901"
	// CodeBusy: Pillion has too many reviews in hand.
	CodeBusy = "P902"
	// CodeMoreWarnings: there are more warnings than are shown.
	CodeMoreWarnings = "P903"
	// CodeNamespaceUnknown: the Namespace requires sidecars, and which ones is not known yet.
	CodeNamespaceUnknown = "P904"
)

// Codes describes every warning of the shell, by code, in one sentence each.
func Codes() map[string]string {
	return map[string]string{
		CodePanic:            "Pillion failed on this Pod, which is a bug; the stack is in its log.",
		CodeDeadline:         "The review reached Pillion too late for an answer in time.",
		CodeBusy:             "Pillion had too many reviews in hand to take another.",
		CodeMoreWarnings:     "There are more warnings than the number given here.",
		CodeNamespaceUnknown: "The Namespace requires sidecars, and Pillion does not know yet which; creating the Pod again helps.",
	}
}

// Outcomes that only the shell gives.
const (
	// Unavailable: Pillion could not decide. The Pod is admitted untouched with a warning, or refused where its Namespace
	// requires sidecars; Reason says why.
	Unavailable sidecars.Outcome = "unavailable"
	// Rejected: what came is no review that Pillion answers; it got an HTTP status of 4xx.
	Rejected sidecars.Outcome = "rejected"
)

// Reasons that only the shell gives.
const (
	// OtherRequest: not the creation of a Pod; goes with Skipped.
	OtherRequest sidecars.Reason = "otherRequest"
	// MirrorPod: made by a kubelet for a static Pod; goes with Skipped.
	MirrorPod sidecars.Reason = "mirrorPod"
	// SystemNamespace: kube-system or Pillion's own Namespace; goes with Skipped.
	SystemNamespace sidecars.Reason = "systemNamespace"

	// Panicked, Late, Busy and NamespaceUnknown go with Unavailable.
	Panicked         sidecars.Reason = "panic"
	Late             sidecars.Reason = "deadline"
	Busy             sidecars.Reason = "busy"
	NamespaceUnknown sidecars.Reason = "namespaceUnknown"

	// BadMethod, BadContent, BodyTooLarge and BadReview go with Rejected.
	BadMethod    sidecars.Reason = "method"
	BadContent   sidecars.Reason = "contentType"
	BodyTooLarge sidecars.Reason = "bodyTooLarge"
	BadReview    sidecars.Reason = "badReview"
)
