package cli

import (
	"io"
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/doctor"
	"github.com/pillion-dev/pillion/sidecars"
)

// liveVerdict words the outcome of an object of a cluster, where that is another than a file's; empty where it is not.
func (t *explainText) liveVerdict(e *ExplainedObject) painted {
	if !e.Live {
		return ""
	}
	stopped := slices.ContainsFunc(e.Way, func(s doctor.Step) bool { return s.Stop })
	switch {
	case e.Outcome == OutcomeBare:
		text := "runs without " + strings.Join(e.Lacks, ", ") + ", which it asks for"
		if e.Reason != "" && !stopped {
			text += ": " + e.Reason
		}
		return t.paint(yellow, text)
	case e.Outcome == string(sidecars.Denied) && stopped:
		return t.paint(red, "would be refused by the policy, as nobody injects it")
	case e.Outcome == string(sidecars.Skipped) && stopped && slices.Contains([]string{doctor.StepStatic, doctor.StepRegistered, doctor.StepSelected}, e.Reason):
		return t.paint(yellow, "would get no sidecar: the webhook is not asked")
	}
	return ""
}

// way tells the steps to the webhook, and of a workload what its Pods have.
func (t *explainText) way(w io.Writer, e *ExplainedObject) {
	for _, s := range e.Way {
		word := t.paint(green, "ok  ")
		switch {
		case s.Stop:
			word = t.paint(red, "stop")
		case s.Fix != nil:
			word = t.paint(yellow, "but ")
		}
		t.line(w, "    %s %s", word, s.Text)
	}
	p := e.Pods
	if p == nil {
		return
	}
	t.line(w, "  its Pods: %s", t.pods(p))
	if len(p.Names) > 0 {
		t.line(w, "    not current: %s", strings.Join(p.Names[:min(len(p.Names), 5)], ", "))
	}
	if p.Refusal != "" {
		t.line(w, "    %s %s", t.paint(red, "refused:"), p.Refusal)
	}
}

func (t *explainText) pods(p *ExplainedPods) painted {
	words := []string{}
	for _, of := range []struct {
		n    int
		word string
	}{{p.Current, "current"}, {p.Outdated, "outdated"}, {p.Changed, "changed"}, {p.Bare, "without what they ask for"}} {
		if of.n > 0 {
			words = append(words, plural(of.n, of.word, of.word))
		}
	}
	if p.Total == 0 {
		return "there are none"
	}
	code := green
	if p.Current < p.Total {
		code = yellow
	}
	return t.paint(code, strings.Join(words, ", "))
}
