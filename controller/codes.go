package controller

// Codes of warnings about entries that are the controller's own; each is stable for life. Those of the core are
// sidecars.LintCodes.
const (
	// CodeUntried: the API server could not be asked about a Pod with the entry.
	CodeUntried = "L901"
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
