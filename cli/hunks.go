package cli

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// contextLines is the number of unchanged lines around a change.
const contextLines = 3

// edit is a line of a text on its way to another: ' ' stays, '-' goes, '+' comes. A '\' belongs to the line before it,
// which ends without a line break.
type edit struct {
	op   byte
	text string
}

// edits compares two texts line by line.
func edits(before, after []byte) []edit {
	old := splitLines(before)
	var out []edit
	at := 0
	keep := func(until int) {
		for ; at < until; at++ {
			out = append(out, kept(old[at])...)
		}
	}
	const heads = 3 // lines before the first hunk
	changes := splitLines(diff.Diff("", before, "", after))
	for _, line := range changes[min(heads, len(changes)):] {
		if n, ok := hunkStart(line); ok {
			keep(n)
			continue
		}
		if line[0] == ' ' || line[0] == '-' {
			at++
		}
		out = append(out, edit{line[0], line[1:]})
	}
	keep(len(old))
	return out
}

// kept gives the edit of a line that stays.
func kept(line string) []edit {
	if strings.HasSuffix(line, "\n") {
		return []edit{{' ', line}}
	}
	return []edit{{' ', line + "\n"}, {'\\', " No newline at end of file\n"}}
}

// hunkStart reads "@@ -12,3 +15,4 @@": the number of lines before the hunk.
func hunkStart(line string) (int, bool) {
	rest, ok := strings.CutPrefix(line, "@@ -")
	if !ok {
		return 0, false
	}
	start, rest, _ := strings.Cut(rest, ",")
	count, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(start)
	if err != nil {
		return 0, false
	}
	if count != "0" {
		n--
	}
	return n, true
}

func splitLines(text []byte) []string {
	var out []string
	for line := range bytes.Lines(text) {
		out = append(out, string(line))
	}
	return out
}

// hunks writes a unified diff of one file, document by document: it holds back only the context of a change. What it writes
// `patch -p0` and `git apply -p0` take.
type hunks struct {
	out    io.Writer
	colour bool
	name   string
	// title of what the next change is in.
	title   string
	started bool
	found   bool

	// old and new count the lines read; the hunk that is open begins at oldStart and newStart.
	old, new, oldStart, newStart int
	lines                        []edit
	open                         bool
	hunkTitle                    string
	// quiet is the number of unchanged lines at the end of lines.
	quiet int
}

// add takes the lines of a document; title names what is in it.
func (h *hunks) add(title string, lines []edit) error {
	h.title = title
	for _, l := range lines {
		if err := h.line(l); err != nil {
			return err
		}
	}
	return nil
}

func (h *hunks) line(l edit) error {
	if l.op == ' ' {
		h.quiet++
	}
	if l.op != ' ' && l.op != '\\' {
		if !h.open {
			h.open, h.hunkTitle = true, h.title
			h.oldStart, h.newStart = h.old-len(h.lines), h.new-len(h.lines)
		}
		h.quiet = 0
	}
	h.lines = append(h.lines, l)
	if l.op == ' ' || l.op == '-' {
		h.old++
	}
	if l.op == ' ' || l.op == '+' {
		h.new++
	}
	switch {
	case h.open && h.quiet > 2*contextLines:
		return h.flush()
	case !h.open && len(h.lines) > contextLines:
		h.lines = h.lines[1:]
	}
	return nil
}

// flush writes the open hunk with the context after it, and keeps the last lines as the context of the next.
func (h *hunks) flush() error {
	n := len(h.lines) - max(h.quiet-contextLines, 0)
	shown, rest := h.lines[:n], h.lines[n:]
	var b bytes.Buffer
	if !h.started {
		h.started, h.found = true, true
		h.paint(&b, bold, "--- "+h.name+"\n")
		h.paint(&b, bold, "+++ "+h.name+"\n")
	}
	var gone, come int
	for _, l := range shown {
		if l.op == ' ' || l.op == '-' {
			gone++
		}
		if l.op == ' ' || l.op == '+' {
			come++
		}
	}
	h.paint(&b, cyan, fmt.Sprintf("@@ -%s +%s @@", span(h.oldStart, gone), span(h.newStart, come)))
	b.WriteString(" " + h.hunkTitle + "\n")
	for _, l := range shown {
		h.paint(&b, map[byte]string{'-': red, '+': green}[l.op], string(l.op)+l.text)
	}
	h.open, h.quiet = false, 0
	h.lines = append([]edit(nil), rest[max(len(rest)-contextLines, 0):]...)
	_, err := h.out.Write(b.Bytes())
	return err
}

// span gives the place of a hunk in a file, as diff writes it.
func span(start, n int) string {
	if n > 0 {
		start++
	}
	return fmt.Sprintf("%d,%d", start, n)
}

func (h *hunks) paint(b *bytes.Buffer, code, text string) {
	b.WriteString(paint(h.colour, code, text))
}

// close writes what is held back; the next file may follow.
func (h *hunks) close() error {
	if h.open {
		return h.flush()
	}
	return nil
}
