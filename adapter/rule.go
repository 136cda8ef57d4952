package adapter

import (
	"errors"
	"time"

	"github.com/pillion-dev/pillion/configfile"
)

// Rule is a condition that holds while all is well.
type Rule struct {
	Name string
	// Check is a CEL expression over the metrics, of type bool.
	Check string
	// For is how long the check may fail before the rule counts as broken.
	For time.Duration

	at configfile.Place
}

type rateOf struct {
	selector string
	window   time.Duration
}

// Verdict is what became of a rule.
type Verdict string

// The verdicts. Broken and Missing make /healthz 503.
const (
	Holds Verdict = "holds"
	// Pending: the check fails, for less than the rule allows.
	Pending Verdict = "pending"
	Broken  Verdict = "broken"
	// Unknown: what the check looks at is not there, for less than the grace.
	Unknown Verdict = "unknown"
	// Missing: it is not there for longer than that.
	Missing Verdict = "missing"
)

// RuleState is how a rule stands.
type RuleState struct {
	Name    string    `json:"name"`
	Check   string    `json:"check"`
	Verdict Verdict   `json:"verdict"`
	Since   time.Time `json:"since"`
	// Why the check could not be answered.
	Why string `json:"why,omitempty"`

	failing, lacking time.Time // since when, zero where it is not
}

// judge takes the check's answer at a time and gives the rule's state after it. Grace lasts from the first time that the
// answer is not known.
func (s *RuleState) judge(r *Rule, holds bool, err error, now time.Time, grace time.Duration) {
	was := s.Verdict
	s.Why = ""
	switch {
	case err != nil:
		s.Why = cut(err.Error())
		if s.lacking.IsZero() {
			s.lacking = now
		}
		s.Verdict = Unknown
		if now.Sub(s.lacking) >= grace {
			s.Verdict = Missing
		}
	case holds:
		s.failing, s.lacking = time.Time{}, time.Time{}
		s.Verdict = Holds
	default:
		s.lacking = time.Time{}
		if s.failing.IsZero() {
			s.failing = now
		}
		s.Verdict = Pending
		if now.Sub(s.failing) >= r.For {
			s.Verdict = Broken
		}
	}
	if s.Verdict != was {
		s.Since = now
	}
}

// healthy: nothing says that the app is not well.
func (s *RuleState) healthy() bool { return s.Verdict != Broken && s.Verdict != Missing }

// ready: everything says that the app is well, or has been until just now.
func (s *RuleState) ready() bool { return s.Verdict == Holds || s.Verdict == Pending }

// costLimit bounds one evaluation, in units of CEL's own; a comparison costs about one.
const costLimit = 100_000

// maxExpression bounds an expression's text in bytes.
const maxExpression = 4096

// compile checks the expression, its types and every selector and window in it.
func (r *Rule) compile(c *Config) error {
	if r.Check == "" {
		return nil // told already
	}
	if len(r.Check) > maxExpression {
		return errors.New("is too long")
	}
	_, err := compileRule(r.Check, c.Health.Window)
	return err
}
