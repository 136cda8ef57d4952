package controller

// Codes of warnings about entries that are the controller's own; each is stable for life. Those of the core are
// sidecars.LintCodes.
const (
	// CodeUntried: the API server could not be asked about a Pod with the entry.
	CodeUntried = "L901"
	// CodeMisplaced: an annotation of Pillion's stands on a workload and not in its pod template.
	CodeMisplaced = "P501"
	// CodeWillBeRefused: the Pods of a workload will be refused; one for every reason.
	CodeWillBeRefused = "P502"
	// CodeLeftAlone: a workload asks for sidecars in a Namespace in which there are none.
	CodeLeftAlone = "P503"
	// CodeMoreWarnings stands for the warnings that are not shown.
	CodeMoreWarnings = "L902"
)

// Codes describes the warnings of the controller, by code, in one sentence each.
func Codes() map[string]string {
	return map[string]string{
		CodeUntried:      "The API server did not try a Pod with the entry: it gave no answer, or a policy or quota stood against it.",
		CodeMoreWarnings: "There are more warnings than are shown.",
	}
}

// WorkloadCodes describes the warnings about workloads, by code, in one sentence each.
func WorkloadCodes() map[string]string {
	return map[string]string{
		CodeMisplaced:     "An annotation below pillion.dev/ stands on a workload, where it means nothing: it belongs into the pod template.",
		CodeWillBeRefused: "The Pods of the workload will be refused as it stands; one warning for each reason.",
		CodeLeftAlone:     "The workload asks for sidecars in kube-system or in Pillion's own Namespace, where Pods get none.",
	}
}
