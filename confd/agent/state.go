package agent

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// The loop gives a sign of life this often; without one for so long it is stuck. Commands and lookups may take their time.
const (
	beatEvery = 10 * time.Second
	stuck     = 5 * time.Minute
)

// state is what the probes tell.
type state struct {
	mu      sync.Mutex
	last    time.Time // sign of life
	backend string    // what is wrong with it; empty: nothing
	waiting []string  // resources that were not rendered yet, and why
}

func (s *state) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
}

// setBackend notes what is wrong, and gives what was before.
func (s *state) setBackend(trouble string) (was string, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, s.backend = s.backend, trouble
	return was, was != trouble
}

// healthy is nil while the loop runs.
func (s *state) healthy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if silent := time.Since(s.last); silent > stuck {
		return fmt.Errorf("no sign of life for %s", silent.Round(time.Second))
	}
	return nil
}

// ready lists why not every file was rendered once.
func (s *state) ready() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	reasons := slices.Clone(s.waiting)
	if len(reasons) > 0 && s.backend != "" {
		reasons = append(reasons, "backend: "+s.backend)
	}
	return reasons
}

// publish tells probes and metrics how the resources are.
func (a *Agent) publish() {
	counts := map[string]int{"good": 0, "failing": 0, "waiting": 0}
	var waiting []string
	for _, i := range a.items {
		switch {
		case i.trouble != "":
			counts["failing"]++
		case i.rendered:
			counts["good"]++
		default:
			counts["waiting"]++
		}
		if !i.rendered {
			reason := i.trouble
			if reason == "" {
				reason = "no keys were read yet"
			}
			waiting = append(waiting, i.File+": "+reason)
		}
	}
	for state, n := range counts {
		a.metrics.resources.WithLabelValues(state).Set(float64(n))
	}
	a.metrics.keys.Set(float64(a.keys.Len()))
	a.state.mu.Lock()
	defer a.state.mu.Unlock()
	a.state.waiting = waiting
}
