package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestDiffIsAPatch applies every diff as the program patch does, with places and context checked.
func TestDiffIsAPatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a\n", "b\n", "c\n", "-- x\n", "++ y\n", "@@ -1,2 +3,4 @@\n", "\n", "d\n", "e\n"}), 0, 20)
		var out strings.Builder
		h := &hunks{out: &out, name: "file"}
		var before, after string
		for i := range rapid.IntRange(1, 4).Draw(t, "documents") {
			old := lines.Draw(t, "before")
			is := old
			if rapid.Bool().Draw(t, "changed") {
				at := rapid.IntRange(0, len(old)).Draw(t, "at")
				more := lines.Draw(t, "more")
				end := rapid.IntRange(at, len(old)).Draw(t, "end")
				is = append(append(append([]string{}, old[:at]...), more...), old[end:]...)
			}
			a, b := strings.Join(old, ""), strings.Join(is, "")
			if err := h.add(fmt.Sprint("document ", i), edits([]byte(a), []byte(b))); err != nil {
				t.Fatal(err)
			}
			before, after = before+a, after+b
		}
		if err := h.close(); err != nil {
			t.Fatal(err)
		}
		if got := apply(t, before, out.String()); got != after {
			t.Fatalf("was %q\nis %q\npatched %q\ndiff\n%s", before, after, got, out.String())
		}
	})
}

// apply applies a unified diff.
func apply(t *rapid.T, text, diff string) string {
	old := strings.SplitAfter(text, "\n")
	var out []string
	at, newAt := 0, 0
	lines := strings.SplitAfter(diff, "\n")
	for i := 0; i < len(lines); i++ {
		if i < 2 {
			continue
		}
		line := lines[i]
		var a, n, b, m int
		if _, err := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &a, &n, &b, &m); err != nil {
			if line != "" {
				t.Fatalf("no hunk: %q", line)
			}
			continue
		}
		for ; at < start(a, n); at++ {
			out = append(out, old[at])
			newAt++
		}
		if newAt != start(b, m) {
			t.Fatalf("hunk %q begins at line %d of the new text", line, newAt)
		}
		for n > 0 || m > 0 {
			i++
			op, body := lines[i][0], lines[i][1:]
			if op != '+' {
				if old[at] != body {
					t.Fatalf("line %d is %q, the diff has %q", at, old[at], body)
				}
				at++
				n--
			}
			if op != '-' {
				out = append(out, body)
				newAt++
				m--
			}
		}
	}
	return strings.Join(append(out, old[at:]...), "")
}

func start(line, n int) int {
	if n == 0 {
		return line
	}
	return line - 1
}

func TestDiffOfTextsWithoutALineBreakAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct{ before, after, want string }{
		"both lack it":   {"a\nb", "x\nb", "@@ -1,2 +1,2 @@ t\n-a\n+x\n b\n\\ No newline at end of file\n"},
		"one lacks it":   {"a\n", "a", "@@ -1,1 +1,1 @@ t\n-a\n+a\n\\ No newline at end of file\n"},
		"nothing before": {"", "a\n", "@@ -0,0 +1,1 @@ t\n+a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			h := &hunks{out: &out, name: "f"}
			if err := h.add("t", edits([]byte(c.before), []byte(c.after))); err != nil {
				t.Fatal(err)
			}
			if err := h.close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("--- f\n+++ f\n"+c.want, out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
