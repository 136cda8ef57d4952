package sidecars

import "math"

// defaultGrace is what the API server sets where a Pod says nothing, in seconds.
const defaultGrace = 30

// Rule: native sidecars are stopped after the app, so the time they need to flush is added to the app's own grace period,
// never taken from it by a preStop hook. A Pod that asks to be killed at once is, with a warning.
// Reads: spec.terminationGracePeriodSeconds.
// Adds: spec.terminationGracePeriodSeconds.
// Golden: grace, grace-explicit, grace-zero.
func (p *plan) extendGrace() {
	var flush int64
	for _, s := range p.sidecars {
		if s.was == nil {
			flush += s.entry.Spec.FlushSeconds
		}
	}
	if flush == 0 {
		return
	}
	grace := int64(defaultGrace)
	if p.pod.Spec.TerminationGracePeriodSeconds != nil {
		grace = *p.pod.Spec.TerminationGracePeriodSeconds
	}
	if grace <= 0 {
		p.warn(CodeNoGrace, "terminationGracePeriodSeconds is %d: sidecars are killed before they flush", grace)
		return
	}
	extended := min(grace, math.MaxInt64-flush) + flush
	p.gracePeriod = &extended
	p.status.GracePeriodWas = &grace
}
