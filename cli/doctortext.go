package cli

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/pillion-dev/pillion/doctor"
)

// doctorText writes a report for people: a group after the other, a line for each check that is ok, a paragraph for each
// finding.
type doctorText struct {
	out     io.Writer
	colour  bool
	verbose bool
}

// width of a paragraph, and its indent.
const (
	textWidth  = 100
	textIndent = "          "
)

func (t *doctorText) report(r *doctor.Report) error {
	w := bufio.NewWriter(t.out)
	fmt.Fprintf(w, "%s %s\n", t.paint(bold, "Kubernetes"), printable(r.Server))
	if in := r.Install; in != nil {
		fmt.Fprintf(w, "%s %s in Namespace %s\n", t.paint(bold, "Pillion"), printable(cmp.Or(in.Webhook, in.Name)), printable(cmp.Or(in.Namespace, "(not known)")))
	}
	group := ""
	for _, c := range r.Checks {
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(w, "\n%s\n", t.paint(bold, group))
		}
		switch c.State {
		case doctor.OK:
			fmt.Fprintf(w, "  %s  %s\n", t.paint(green, "ok     "), c.Title)
		case doctor.NotRun:
			fmt.Fprintf(w, "  %s  %s %s\n", t.paint(faint, "not run"), c.Title, t.paint(faint, "(without "+c.Lacks+")"))
		}
		for i := range r.Findings {
			if r.Findings[i].Check == c.Name {
				t.finding(w, &r.Findings[i])
			}
		}
	}
	return w.Flush()
}

func (t *doctorText) finding(w io.Writer, f *doctor.Finding) {
	codes := map[doctor.Severity]string{doctor.Error: red, doctor.Warning: yellow, doctor.Note: cyan}
	head := f.Message
	if f.Object != "" {
		head = f.Object + ": " + head
	}
	fmt.Fprintf(w, "  %s  %s %s\n", t.paint(codes[f.Severity], fmt.Sprintf("%-7s", f.Severity)), t.paint(bold, f.Code), wrapped(printable(head), textWidth, textIndent+strings.Repeat(" ", len(f.Code)+2)))
	if f.Severity != doctor.Note || t.verbose {
		fmt.Fprintf(w, "%s %s\n", textIndent, t.paint(faint, wrapped(f.Why, textWidth, textIndent+" ")))
	}
	fmt.Fprintf(w, "%s %s\n", textIndent, wrapped("to mend it: "+printable(f.Fix.Text), textWidth, textIndent+" "))
	for _, c := range f.Fix.Commands {
		fmt.Fprintf(w, "%s   %s\n", textIndent, t.paint(green, "$ "+printable(c)))
	}
}

func (t *doctorText) paint(code, text string) string { return paint(t.colour, code, text) }

// wrapped breaks a text into lines at its spaces; lines after the first are indented.
func wrapped(text string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteString("\n" + indent)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
