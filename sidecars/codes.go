package sidecars

// Codes of the warnings; each is stable for life and described in docs/warnings.md.
const (
	// CodeUnknownKey: an annotation below pillion.dev/ means nothing.
	CodeUnknownKey = "P101"
	// CodeUnusedKey: a parameter is set for a sidecar that is not asked for.
	CodeUnusedKey = "P102"
	// CodeEmptyRequest: pillion.dev/inject is empty.
	CodeEmptyRequest = "P103"
	// CodeBadStatus: the status annotation cannot be read.
	CodeBadStatus = "P104"
	// CodeUnlabelled: a Namespace asks for its Pods but is not labelled, so it does not count.
	CodeUnlabelled = "P105"
	// CodeBurstable: a BestEffort Pod becomes Burstable.
	CodeBurstable = "P201"
	// CodeNoGrace: the grace period is 0, so sidecars cannot flush.
	CodeNoGrace = "P202"
	// CodeEnvKept: a container keeps an environment variable of its own.
	CodeEnvKept = "P203"
	// CodeIgnored: the request could not be met and the Pod says failure-policy Ignore; one for every reason.
	CodeIgnored = "P301"
)

// Codes describes every warning of the core, by code, in one sentence each.
func Codes() map[string]string {
	return map[string]string{
		CodeUnknownKey:   "An annotation below pillion.dev/ means nothing; the nearest valid one is named.",
		CodeUnusedKey:    "A parameter is set for a sidecar that the Pod does not ask for.",
		CodeEmptyRequest: "pillion.dev/inject is empty: name sidecars, or say \"false\".",
		CodeBadStatus:    "pillion.dev/status cannot be read; it is written anew.",
		CodeUnlabelled:   "A Namespace carries pillion.dev/inject but not the label pillion.dev/injection, so its request does not count.",
		CodeBurstable:    "A BestEffort Pod becomes Burstable, because its sidecars have requests.",
		CodeNoGrace:      "terminationGracePeriodSeconds is 0, so sidecars are killed before they flush.",
		CodeEnvKept:      "A container keeps its own value of an environment variable that a sidecar would have set.",
		CodeIgnored:      "The request could not be met and failure-policy is Ignore: nothing was injected. One warning for each reason.",
	}
}
