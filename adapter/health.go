package adapter

import (
	"errors"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
)

// judge evaluates the rules of one configuration, round by round.
type judge struct {
	config   *Config
	programs []cel.Program

	mu     sync.RWMutex
	view   *view
	states []RuleState
}

// newJudge prepares the rules. States of rules that were there before, unchanged, are carried on.
func newJudge(c *Config, before *judge) (*judge, error) {
	j := &judge{config: c, view: &view{selectors: map[string]*selector{}, histories: map[rateOf]*history{}}}
	language, err := newLanguage(j.view, c.Health.Window)
	if err != nil {
		return nil, err
	}
	for _, r := range c.Health.Rules {
		compiled, err := language.compile(r.Check)
		if err != nil {
			return nil, err
		}
		j.programs = append(j.programs, compiled.program)
		j.states = append(j.states, before.state(r))
		for _, rate := range compiled.rates {
			j.view.histories[rate] = before.history(rate)
		}
	}
	return j, nil
}

func (j *judge) state(r *Rule) RuleState {
	if j != nil {
		for _, s := range j.States() {
			if s.Name == r.Name && s.Check == r.Check {
				return s
			}
		}
	}
	return RuleState{Name: r.Name, Check: r.Check, Verdict: Unknown, Why: "nothing was gathered yet"}
}

// history continues what is known of a rate, or begins it. Only one judge is in use at a time.
func (j *judge) history(rate rateOf) *history {
	if j != nil && j.view.histories[rate] != nil {
		return j.view.histories[rate]
	}
	s, _ := parseSelector(rate.selector) // it was checked when the rule was compiled
	return newHistory(s, rate.window)
}

// look takes a round and judges every rule by it.
func (j *judge) look(r *round) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.view.families, j.view.answered = r.families, r.answered()
	for _, h := range j.view.histories {
		h.observe(r.at, r.families, j.config.Label, j.view.answered)
	}
	for i, rule := range j.config.Health.Rules {
		holds, err := j.evaluate(i)
		j.states[i].judge(rule, holds, err, r.at, j.config.Health.Grace)
	}
	j.view.families = nil // a round is large, and not needed until the next one
}

func (j *judge) evaluate(i int) (bool, error) {
	out, err := run(j.programs[i], map[string]any{})
	if err != nil {
		return false, err
	}
	holds, ok := out.Value().(bool)
	if !ok {
		return false, errors.New("gives neither true nor false")
	}
	return holds, nil
}

// States are how the rules stand.
func (j *judge) States() []RuleState {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return append([]RuleState{}, j.states...)
}

// lasts is how long a state has lasted, to the second.
func (s *RuleState) lasts(now time.Time) time.Duration { return now.Sub(s.Since).Truncate(time.Second) }
