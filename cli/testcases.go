package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/manifest"
)

// The files of a case that say what is expected.
const (
	fileExpected = "expected.yaml"
	fileErrors   = "expected-error.txt"
	fileWarnings = "warnings.txt"
)

// testCase is a directory with manifests, and files that say what is expected of them.
type testCase struct {
	name, dir string
	inputs    []*input
	// expected are the texts of the files that are there, by name; stray are files that look like one and are none.
	expected map[string][]byte
	stray    []string
}

// cases finds the cases in a tree, in order of names. The catalog may lie in the tree: it is none.
func (t *trial) cases(tree, catalogDir string) ([]*testCase, error) {
	var found []*testCase
	err := filepath.WalkDir(tree, func(dir string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir() && dir == tree:
			return usagef("%s: want a directory of cases", tree)
		case !d.IsDir():
			return nil
		case dir != tree && strings.HasPrefix(d.Name(), "."), sameFile(dir, catalogDir):
			return fs.SkipDir
		}
		c, err := readCase(nameOf(tree, dir), dir)
		if c != nil && t.only.MatchString(c.name) {
			found = append(found, c)
		}
		return err
	})
	return found, unwrapPath(err)
}

func sameFile(a, b string) bool {
	if b == "" {
		return false
	}
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// readCase reads a directory; nil where it is no case.
func readCase(name, dir string) (*testCase, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	c := &testCase{name: name, dir: dir, expected: map[string][]byte{}}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		switch {
		case f.IsDir() || strings.HasPrefix(f.Name(), "."):
		case slices.Contains([]string{fileExpected, fileErrors, fileWarnings}, f.Name()):
			if c.expected[f.Name()], err = os.ReadFile(path); err != nil {
				return nil, err
			}
		case strings.HasPrefix(f.Name(), "expected") || strings.HasPrefix(f.Name(), "warning") && !isManifest(f.Name()):
			c.stray = append(c.stray, f.Name())
		case isManifest(f.Name()):
			c.inputs = append(c.inputs, &input{path: path, name: f.Name(), twice: true})
		}
	}
	if len(c.inputs)+len(c.expected)+len(c.stray) == 0 {
		return nil, nil
	}
	return c, nil
}

// result is what became of a case.
type result struct {
	*testCase
	took    time.Duration
	updated bool
	// wrong says what is wrong with the case itself; diffs are what it gave and should not have.
	wrong []string
	diffs []fileDiff
}

// fileDiff is an expected file that differs from what came out.
type fileDiff struct {
	name      string
	want, got []byte
}

func (r *result) failed() bool { return len(r.wrong)+len(r.diffs) > 0 }

// one runs a case. The error is of a file that cannot be read or written; what is wrong with a manifest fails the case.
func (t *trial) one(c *testCase) (*result, error) {
	began := time.Now()
	r := &result{testCase: c}
	for _, name := range c.stray {
		r.fail("%s is no file of a case: what is expected is in %s, %s and %s", name, fileExpected, fileErrors, fileWarnings)
	}
	if len(c.inputs) == 0 && len(c.stray) == 0 {
		r.fail("there is no manifest beside %s", strings.Join(c.files(), ", "))
	}
	if r.failed() {
		return r, nil
	}
	got, err := t.inject(c)
	if err != nil {
		r.fail("%v", err)
		return r, nil
	}
	if r.compare(got); r.failed() && t.update {
		if err := r.bring(got); err != nil {
			return nil, err
		}
	}
	r.took = time.Since(began)
	return r, nil
}

// files names the expected files that are there.
func (c *testCase) files() []string {
	var names []string
	for _, name := range []string{fileExpected, fileErrors, fileWarnings} {
		if c.expected[name] != nil {
			names = append(names, name)
		}
	}
	return names
}

func (r *result) fail(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// said is a mistake or warning: where, or of which object, and what.
type said struct{ of, text string }

// injected is what came out of a case: what inject wrote, what it refused and warned of.
type injected struct {
	text             []byte
	errors, warnings []said
	// changed reports whether anything was injected.
	changed bool
}

// inject does what the command does, with the case's directory as the current one.
func (t *trial) inject(c *testCase) (*injected, error) {
	in := &injector{catalog: t.catalog, known: newNamespaces("default"), set: &optIn{}}
	if err := in.known.scan(c.inputs); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	out, err := newWriter(&text, "")
	if err != nil {
		return nil, err
	}
	got := &injected{}
	for d, err := range documents(c.inputs, nil) {
		if err != nil {
			return nil, err
		}
		after, verdicts, err := in.document(d)
		if err != nil {
			return nil, err
		}
		for _, v := range verdicts {
			got.add(v)
		}
		if err := out.write(d, after); err != nil {
			return nil, err
		}
	}
	got.text = text.Bytes()
	return got, nil
}

func (g *injected) add(v *verdict) {
	g.changed = g.changed || v.outcome == done
	for i := range v.troubles {
		into := &g.errors
		if v.outcome != refused { // failure-policy Ignore
			into = &g.warnings
		}
		t := &v.troubles[i]
		*into = append(*into, said{printable(t.place.String()), flat(strings.TrimPrefix(t.String(), t.place.String()+": "))})
	}
	for _, w := range v.warnings {
		g.warnings = append(g.warnings, said{v.object.String(), flat(w)})
	}
}

// flat makes a text one line.
func flat(s string) string { return strings.ReplaceAll(printable(s), "\n", " ") }

// sameObjects reports whether two texts are the same to Kubernetes, but for the revisions that the status annotation names.
func sameObjects(want, got []byte) bool {
	a, errA := objectsIn(want)
	b, errB := objectsIn(got)
	return errA == nil && errB == nil && slices.EqualFunc(a, b, bytes.Equal)
}

func objectsIn(text []byte) ([][]byte, error) {
	var out [][]byte
	for r := manifest.NewReader(bytes.NewReader(text), fileExpected); ; {
		d, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		object, err := d.JSON()
		if err != nil {
			return nil, err
		}
		if object != nil {
			out = append(out, withoutRevisions(object))
		}
	}
}
