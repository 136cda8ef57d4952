package adapter

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/common/expfmt"
)

// handler serves what is gathered and what the rules say.
func (a *Adapter) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", a.serveMetrics)
	mux.HandleFunc("GET /healthz", a.serveHealth)
	mux.HandleFunc("GET /-/status", a.serveStatus)
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /-/ready/adapter", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /-/ready/app", a.serveReady)
	return mux
}

// serveMetrics gives one page in the format that is asked for, OpenMetrics among them. A source that does not answer is
// missing from it, and says so in adapter_source_up.
func (a *Adapter) serveMetrics(w http.ResponseWriter, r *http.Request) {
	current := a.current.Load()
	round, err := current.gatherer.round(r.Context(), current.config.Fresh)
	if err != nil {
		return // nobody waits any more
	}
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	w.Header().Set("Content-Type", string(format))
	enc := expfmt.NewEncoder(w, format)
	for _, name := range sortedNames(round.families) {
		if err := enc.Encode(round.families[name]); err != nil {
			a.log.Debug("metrics were not sent", "err", err)
			return
		}
	}
	if closer, ok := enc.(expfmt.Closer); ok {
		_ = closer.Close() // as above: nobody reads any more
	}
}

// serveHealth says at once how the last round was: it never waits for the app.
func (a *Adapter) serveHealth(w http.ResponseWriter, _ *http.Request) {
	a.serveRules(w, (*RuleState).healthy)
}

func (a *Adapter) serveReady(w http.ResponseWriter, _ *http.Request) {
	a.serveRules(w, (*RuleState).ready)
}

func (a *Adapter) serveRules(w http.ResponseWriter, good func(*RuleState) bool) {
	states := a.current.Load().judge.States()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !all(states, good) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if len(states) == 0 {
		fmt.Fprintln(w, "ok: there are no rules")
	}
	now := time.Now()
	for i := range states {
		s := &states[i]
		fmt.Fprintf(w, "%s: %s", s.Name, s.Verdict)
		if s.Verdict != Holds && !s.Since.IsZero() {
			fmt.Fprintf(w, " for %s", s.lasts(now))
		}
		if s.Why != "" {
			fmt.Fprintf(w, ": %s", s.Why)
		} else if s.Verdict != Holds {
			fmt.Fprintf(w, ": %s", s.Check)
		}
		fmt.Fprintln(w)
	}
}

func all(states []RuleState, good func(*RuleState) bool) bool {
	for i := range states {
		if !good(&states[i]) {
			return false
		}
	}
	return true
}

// status is what /-/status shows: why things are as they are, for people.
type status struct {
	Config    configStatus   `json:"config"`
	Sources   []sourceStatus `json:"sources"`
	Conflicts []string       `json:"conflicts,omitempty"`
	Rules     []RuleState    `json:"rules"`
}

type configStatus struct {
	Files []string `json:"files"`
	// Mistakes of files that changed and are not in use for it.
	Mistakes string `json:"mistakes,omitempty"`
}

type sourceStatus struct {
	Name    string  `json:"name"`
	Up      bool    `json:"up"`
	Series  int     `json:"series"`
	Bytes   int     `json:"bytes"`
	Seconds float64 `json:"seconds"`
	Reason  string  `json:"reason,omitempty"`
	Error   string  `json:"error,omitempty"`
}

func (a *Adapter) serveStatus(w http.ResponseWriter, r *http.Request) {
	current := a.current.Load()
	round, err := current.gatherer.round(r.Context(), current.config.Fresh)
	if err != nil {
		return // nobody waits any more
	}
	out := status{Config: configStatus{Files: current.files}, Sources: []sourceStatus{}, Rules: current.judge.States()}
	if mistakes := a.mistakes.Load(); mistakes != nil {
		out.Config.Mistakes = *mistakes
	}
	for i := range round.results {
		s := &round.results[i]
		line := sourceStatus{Name: s.source, Up: s.up(), Series: s.series, Bytes: s.bytes, Seconds: s.took.Seconds(), Reason: s.reason}
		if s.err != nil {
			line.Error = cut(s.err.Error())
		}
		out.Sources = append(out.Sources, line)
	}
	for _, c := range round.conflicts {
		out.Conflicts = append(out.Conflicts, c.source+": "+c.text)
	}
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(out) // nobody reads any more
}
