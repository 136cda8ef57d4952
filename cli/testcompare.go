package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// revisions are those in a status annotation: inside JSON, or inside a string in JSON.
var revisions = regexp.MustCompile(`(\\?"rev\\?":\\?")[0-9a-f]{12}`)

// withoutRevisions makes two texts comparable whatever the revisions of the entries are: a new description is a new one.
func withoutRevisions(text []byte) []byte { return revisions.ReplaceAll(text, []byte("${1}")) }

// compare holds what came out to what is expected.
func (r *result) compare(got *injected) {
	want := r.expected
	if want[fileExpected] == nil && want[fileErrors] == nil {
		r.fail("nothing is expected: --update writes %s", strings.Join(got.files(), " and "))
		return
	}
	if want[fileExpected] == nil && len(got.errors) == 0 {
		r.fail("it was to be refused and is not")
	}
	if want[fileExpected] != nil && !sameObjects(want[fileExpected], got.text) {
		r.diffs = append(r.diffs, fileDiff{fileExpected, sameRevisions(want[fileExpected], got.text), got.text})
	}
	if !sameLines(want[fileErrors], got.errors) {
		r.diffs = append(r.diffs, fileDiff{fileErrors, want[fileErrors], lines(got.errors)})
	}
	if want[fileWarnings] != nil && !sameLines(want[fileWarnings], got.warnings) {
		r.diffs = append(r.diffs, fileDiff{fileWarnings, want[fileWarnings], lines(got.warnings)})
	}
}

// files names the files that say all there is to expect.
func (g *injected) files() []string {
	var names []string
	if len(g.errors) == 0 || g.changed {
		names = append(names, fileExpected)
	}
	if len(g.errors) > 0 {
		names = append(names, fileErrors)
	}
	return names
}

// sameRevisions gives an expected text the revisions of what came out, so that a difference does not show them. Where their
// number differs it stays as it is.
func sameRevisions(want, got []byte) []byte {
	is := revisions.FindAll(got, -1)
	if len(is) != len(revisions.FindAllIndex(want, -1)) {
		return want
	}
	i := -1
	return revisions.ReplaceAllFunc(want, func([]byte) []byte { i++; return is[i] })
}

// sameLines holds mistakes to the lines of a file, one by one.
func sameLines(want []byte, got []said) bool {
	return slices.EqualFunc(wanted(want), got, func(line string, s said) bool { return s.is(line) })
}

// wanted gives the lines of a file that count.
func wanted(text []byte) []string {
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}

// is reports whether a line says it: all of it, or without the place, or the field or code alone.
func (s said) is(line string) bool {
	return line == s.of+": "+s.text || line == s.text || strings.HasPrefix(s.text, line+": ")
}

func lines(list []said) []byte {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(s.of + ": " + s.text + "\n")
	}
	return []byte(b.String())
}

// write shows what is wrong with a case.
func (r *result) write(out io.Writer, colour bool) {
	for _, why := range r.wrong {
		_, _ = io.WriteString(out, "  "+printable(why)+"\n")
	}
	for _, d := range r.diffs {
		_, _ = out.Write(d.text(filepath.ToSlash(filepath.Join(r.dir, d.name)), r.name, colour))
	}
}

// text gives a unified diff from what is expected to what came out.
func (d *fileDiff) text(name, title string, colour bool) []byte {
	var b bytes.Buffer
	h := &hunks{out: &b, colour: colour, name: printable(name)}
	_ = h.add(printable(title), edits(d.want, d.got))
	_ = h.close()
	return b.Bytes()
}

// bring brings the expected files up to date, and takes away what is not expected any more.
func (r *result) bring(got *injected) error {
	r.wrong, r.diffs, r.updated = nil, nil, true
	texts := map[string][]byte{fileExpected: got.text, fileErrors: lines(got.errors), fileWarnings: lines(got.warnings)}
	keep := got.files()
	if r.expected[fileWarnings] != nil {
		keep = append(keep, fileWarnings)
	}
	for name, text := range texts {
		path := filepath.Join(r.dir, name)
		var err error
		switch {
		case slices.Contains(keep, name):
			err = writeFile(path, text)
		case r.expected[name] != nil:
			err = unwrapPath(os.Remove(path))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file as a whole or not at all, and not where it would stay the same.
func writeFile(path string, text []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return unwrapPath(err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return unwrapPath(err)
}
