// Package failsafe holds the table of what becomes of a Pod, whatever it and its Namespace say and whether or not the
// webhook answers. docs/failure.md shows it; the tests try every combination on a real API server, with the chart's own
// objects, and then what the table promises of outages: nothing is lost, and nothing else is touched.
package failsafe

import "slices"

// Result is what becomes of a Pod.
type Result string

// The results, as the table words them.
const (
	Untouched  Result = "created as it is"
	Injected   Result = "injected"
	Denied     Result = "refused by the webhook, with every reason"
	Refused    Result = "refused by the policy"
	Unanswered Result = "refused: the webhook must answer"
)

// Values of a Combination. Asks stands for the name of a sidecar.
const (
	Nothing = "nothing"
	Asks    = "a sidecar"
	OptOut  = `"false"`

	NoLabel    = "none"
	OtherLabel = "any other"
	Enabled    = "enabled"
	Required   = "required"

	Fail   = "Fail"
	Ignore = "Ignore"

	Plain       = "plain"
	HostNetwork = "host network"
	Windows     = "Windows"
	Mirror      = "mirror"

	Ordinary  = "ordinary"
	LeftAlone = "left alone"
)

// Combination is one case: what the Namespace and the Pod say, and what kind of Pod it is.
type Combination struct {
	// Place is LeftAlone for a Namespace in which Pillion does nothing by configuration.
	Place string
	// Label is the Namespace's pillion.dev/injection; Namespace and Pod are what their pillion.dev/inject says.
	Label, Namespace, Pod string
	// Policy is the failure-policy in force: the Pod's, else its Namespace's, else Fail.
	Policy string
	Kind   string
}

// Dimensions lists the values of each field of a Combination, in the order of its fields.
func Dimensions() [][]string {
	return [][]string{
		{Ordinary, LeftAlone},
		{NoLabel, OtherLabel, Enabled, Required},
		{Nothing, Asks, OptOut},
		{Nothing, Asks, OptOut},
		{Fail, Ignore},
		{Plain, HostNetwork, Windows, Mirror},
	}
}

// Row says what becomes of some combinations. A field without values stands for any value.
type Row struct {
	Case                                       string
	Place, Label, Namespace, Pod, Policy, Kind []string
	// Called: the API server asks the webhook at all.
	Called bool
	// Up and Down are the results while the webhook answers, and while it does not.
	Up, Down Result
}

// Covers reports whether the row speaks of a combination.
func (r *Row) Covers(c Combination) bool {
	return has(r.Place, c.Place) && has(r.Label, c.Label) && has(r.Namespace, c.Namespace) && has(r.Pod, c.Pod) &&
		has(r.Policy, c.Policy) && has(r.Kind, c.Kind)
}

func has(values []string, v string) bool { return values == nil || slices.Contains(values, v) }

// Table has exactly one row for each combination.
func Table() []Row {
	ordinary, unfit, pods := []string{Ordinary}, []string{HostNetwork, Windows}, []string{Plain, HostNetwork, Windows}
	open, closed := []string{NoLabel, OtherLabel, Enabled}, []string{Required}
	enabled := []string{Enabled}
	plain, asks, nothing, silent := []string{Plain}, []string{Asks}, []string{Nothing}, []string{Nothing, OptOut}
	fail, ignore := []string{Fail}, []string{Ignore}
	return []Row{
		{Case: "Namespaces left alone by configuration", Place: []string{LeftAlone}, Up: Untouched, Down: Untouched},
		{Case: "mirror Pods, which a kubelet makes of its static Pods", Place: ordinary, Kind: []string{Mirror}, Up: Untouched, Down: Untouched},

		{Case: "the Pod does not ask", Place: ordinary, Label: []string{NoLabel, OtherLabel}, Pod: nothing, Kind: pods, Up: Untouched, Down: Untouched},
		{Case: "the Pod opts out", Place: ordinary, Label: open, Pod: []string{OptOut}, Kind: pods, Up: Untouched, Down: Untouched},
		{Case: "the Pod asks", Place: ordinary, Label: open, Pod: asks, Policy: fail, Kind: plain, Called: true, Up: Injected, Down: Refused},
		{Case: "the Pod asks, and can do without", Place: ordinary, Label: open, Pod: asks, Policy: ignore, Kind: plain, Called: true, Up: Injected, Down: Untouched},
		{Case: "the Pod asks for what cannot be", Place: ordinary, Label: open, Pod: asks, Policy: fail, Kind: unfit, Called: true, Up: Denied, Down: Refused},
		{Case: "the Pod asks for what cannot be, and can do without", Place: ordinary, Label: open, Pod: asks, Policy: ignore, Kind: unfit, Called: true, Up: Untouched, Down: Untouched},

		{Case: "nobody asks", Place: ordinary, Label: enabled, Namespace: silent, Pod: nothing, Kind: pods, Called: true, Up: Untouched, Down: Untouched},
		{Case: "the Namespace asks", Place: ordinary, Label: enabled, Namespace: asks, Pod: nothing, Policy: fail, Kind: plain, Called: true, Up: Injected, Down: Refused},
		{Case: "the Namespace asks, and can do without", Place: ordinary, Label: enabled, Namespace: asks, Pod: nothing, Policy: ignore, Kind: plain, Called: true, Up: Injected, Down: Untouched},
		{Case: "the Namespace asks, for Pods that sidecars are not made for", Place: ordinary, Label: enabled, Namespace: asks, Pod: nothing, Kind: unfit, Called: true, Up: Untouched, Down: Untouched},

		{Case: "nobody asks", Place: ordinary, Label: closed, Namespace: silent, Pod: silent, Kind: pods, Called: true, Up: Untouched, Down: Unanswered},
		{Case: "the Namespace asks; the Pod has no say", Place: ordinary, Label: closed, Namespace: asks, Kind: plain, Called: true, Up: Injected, Down: Unanswered},
		{Case: "the Namespace asks for what cannot be", Place: ordinary, Label: closed, Namespace: asks, Kind: unfit, Called: true, Up: Denied, Down: Unanswered},
		{Case: "the Pod asks", Place: ordinary, Label: closed, Namespace: silent, Pod: asks, Kind: plain, Called: true, Up: Injected, Down: Unanswered},
		{Case: "the Pod asks for what cannot be", Place: ordinary, Label: closed, Namespace: silent, Pod: asks, Kind: unfit, Called: true, Up: Denied, Down: Unanswered},
	}
}
