package cli

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/pillion-dev/pillion/sidecars"
)

// explainText writes explanations for people.
type explainText struct {
	out    io.Writer
	colour bool
	count  int
}

// object writes what there is to tell of one object.
func (t *explainText) object(e *ExplainedObject) error {
	w := bufio.NewWriter(t.out)
	if t.count++; t.count > 1 {
		fmt.Fprintln(w)
	}
	t.line(w, "%s  %s", t.paint(bold, e.object.String()), t.paint(faint, e.livePlace()))
	t.line(w, "  %s", t.verdict(e))
	t.way(w, e)
	t.asks(w, e)
	for _, s := range e.Sidecars {
		t.sidecar(w, s)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if e.Added != nil {
		if err := t.tree(e); err != nil {
			return err
		}
	}
	for _, x := range e.Warnings {
		text := x.Text
		if x.Code == sidecars.CodeIgnored {
			continue // the errors say it, with their places
		}
		if x.Code != "" {
			text = x.Code + ": " + text
		}
		t.line(w, "\n  %s %s", t.paint(yellow, "warning:"), text)
	}
	for i := range e.Errors {
		t.error(w, &e.Errors[i])
	}
	t.fix(w, e.Fix, "\n  ")
	return w.Flush()
}

// painted is text that is safe to show, with colours of our own.
type painted string

// line writes a line. What is not painted may come from a file, so that what is not printable in it is taken out.
func (t *explainText) line(w io.Writer, format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = printable(s)
		}
	}
	fmt.Fprintf(w, format+"\n", args...)
}

func (t *explainText) paint(code, text string) painted {
	return painted(paint(t.colour, code, printable(text)))
}

func (t *explainText) verdict(e *ExplainedObject) painted {
	if v := t.liveVerdict(e); v != "" {
		return v
	}
	switch sidecars.Outcome(e.Outcome) {
	case sidecars.Injected:
		return t.paint(green, "would be injected")
	case sidecars.Unchanged:
		return t.paint(green, "has all that it asks for")
	case sidecars.Ignored:
		return t.paint(yellow, "would be left as it is: its request cannot be met, and it says failure-policy: Ignore")
	case sidecars.Denied:
		return t.paint(red, "would be refused")
	}
	switch e.Reason {
	case "":
		return "would be left as it is: it has no Pod that Pillion knows of"
	case string(sidecars.NotRequested):
		return t.paint("", fmt.Sprintf("would get no sidecar: neither it nor Namespace %s asks for one", e.Namespace))
	}
	return t.paint("", "would get no sidecar: "+reasonText(sidecars.Reason(e.Reason)))
}

func (t *explainText) asks(w io.Writer, e *ExplainedObject) {
	if e.Asks == nil {
		return
	}
	from, who := "--with", "asks"
	if e.Asks.Source == string(sidecars.FromNamespace) {
		from, who = "in the cluster", "its Namespace "+e.Namespace+" asks"
	}
	if e.Asks.Place != nil {
		from = e.Asks.Place.String()
	}
	t.line(w, "  %s by %s: %s  %s", who, e.Asks.Annotation, strings.TrimSpace(e.Asks.Value), t.paint(faint, from))
}

func (t *explainText) sidecar(w io.Writer, s *ExplainedSidecar) {
	words := []string{}
	if s.Revision != "" {
		words = append(words, "revision "+s.Revision)
	}
	if p := placementText(s.Placement); p != "" {
		words = append(words, p)
	}
	t.line(w, "\n  %s  %s", t.paint(bold, s.Name), strings.Join(words, ", "))
	if s.Description != "" {
		t.line(w, "    %s", t.paint(faint, s.Description))
	}
	for _, c := range s.Containers {
		code := yellow
		if c.State == StateCurrent {
			code = green
		}
		if c.Detail != "" {
			c.Detail = ": " + c.Detail
		}
		t.line(w, "    container %s is %s%s", c.Name, t.paint(code, c.State), c.Detail)
	}
	if len(s.Parameters) == 0 {
		return
	}
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	byDefault := func(p ExplainedParameter) int {
		if p.Source == string(sidecars.FromDefault) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(s.Parameters, func(a, b ExplainedParameter) int { return byDefault(a) - byDefault(b) })
	for _, p := range s.Parameters {
		from := p.Source
		if p.Place != nil {
			from = p.Place.String()
		}
		if from == string(sidecars.FromDefault) && p.Value == "" {
			continue
		}
		if from == flagSource {
			from = "--set"
		}
		fmt.Fprintf(table, "    %s\t%s\t%s\n", p.Name, cut(oneLine(p.Value), 70), printable(from))
	}
	_ = table.Flush()
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(printable(s)), " ")
}

func placementText(placement string) string {
	switch placement {
	case "beforeInit":
		return "starts before the app's init containers"
	case "afterInit":
		return "starts after the app's init containers"
	case "regular":
		return "runs beside the app's containers"
	}
	return ""
}

// tree shows the Pod with what would be added.
func (t *explainText) tree(e *ExplainedObject) error {
	_, after, err := e.answer.view()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(t.out, "\n  the Pod, with + for what is added:"); err != nil {
		return err
	}
	return printTree(t.out, e.answer.json, after, t.colour, "    ")
}

func (t *explainText) error(w io.Writer, e *ExplainedError) {
	path := ""
	if e.Path != "" {
		path = e.Path + ": "
	}
	t.line(w, "\n  %s %s: %s%s", t.paint(red, "error:"), e.Place.String(), path, e.Message)
	if e.Line != "" {
		t.line(w, "    %s %s", t.paint(faint, fmt.Sprintf("%4d |", e.Place.Line)), e.Line)
	}
	t.fix(w, e.Fix, "    to fix: ")
}

func (t *explainText) fix(w io.Writer, f *ExplainedFix, lead string) {
	if f == nil {
		return
	}
	fmt.Fprintln(w, lead+printable(f.Text+t.where(f)))
	for _, l := range f.Lines {
		fmt.Fprintln(w, t.paint(green, "    + "+l))
	}
	if f.Field != "" {
		t.line(w, "    %s", t.paint(faint, f.Field))
	}
	for _, c := range f.Commands {
		t.line(w, "    %s", t.paint(green, "$ "+c))
	}
}

// where says where the lines of a fix belong.
func (t *explainText) where(f *ExplainedFix) string {
	switch {
	case f.Place == nil:
		return ""
	case f.Replace:
		return ": " + f.Place.String() + " becomes"
	case len(f.Lines) > 0:
		return ": after " + f.Place.String() + " add"
	}
	return ": " + f.Place.String()
}
