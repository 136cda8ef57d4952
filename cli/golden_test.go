package cli_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/golden"
)

// TestGolden gives every golden case to the program as its users do: as a bare Pod and as a Deployment's template, with its
// Namespace in the same stream. What comes back is what the case says.
func TestGolden(t *testing.T) {
	cases, err := golden.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			for name, text := range map[string][]byte{"Pod": c.PodYAML, "Deployment": c.Deployment()} {
				wantInjected(t, c, name, text)
				wantExplained(t, c, name, text)
			}
		})
	}
}

// wantInjected checks the output of inject, and that uninject gives the text back.
func wantInjected(t *testing.T, c *golden.Case, kind string, text []byte) {
	t.Helper()
	stream := withNamespace(c, text)
	got := run(t, stream, "inject")
	code := cli.ExitOK
	if c.Refused() {
		code = cli.ExitRefused
	}
	if got.code != code {
		t.Errorf("%s: exit code is %d, want %d\n%s", kind, got.code, code, got.err)
	}
	if !c.Injected() {
		if diff := cmp.Diff(string(stream), got.out); diff != "" {
			t.Errorf("%s: not injected and not as it was (-was +is):\n%s", kind, diff)
		}
		return
	}
	documents := strings.Split(run(t, []byte(got.out), "inject", "-o", "json").out, "\n}\n{\n")
	last := "{" + strings.TrimPrefix(documents[len(documents)-1], "{")
	if diff := cmp.Diff(podOf(t, c.Want), podOf(t, []byte(last))); diff != "" {
		t.Errorf("%s (-want +got):\n%s", kind, diff)
	}
	if bytes.Contains(c.PodYAML, []byte("pillion.dev/status")) || bytes.Contains(c.PodYAML, []byte("pillion.dev/file.")) {
		return
	}
	back := run(t, []byte(got.out), "uninject")
	if diff := cmp.Diff(podOf(t, c.Pod), podOf(t, lastDocument(t, back.out))); diff != "" && !leavesOut(c) {
		t.Errorf("%s: uninject (-was +is):\n%s", kind, diff)
	}
}

// leavesOut reports whether the Pod of a case has what uninject does not give back as it was: empty lists and maps, the
// default of the grace period, and resources of the Pod itself.
func leavesOut(c *golden.Case) bool {
	for _, empty := range []string{": []", ": {}", ": null", "terminationGracePeriodSeconds: 30", "\n  resources:"} {
		if bytes.Contains(c.PodYAML, []byte(empty)) {
			return true
		}
	}
	return false
}

// wantExplained checks that explain gives the answer of the case, word by word.
func wantExplained(t *testing.T, c *golden.Case, kind string, text []byte) {
	t.Helper()
	got := run(t, withNamespace(c, text), "explain", "-o", "json")
	var e cli.Explanation
	if err := json.Unmarshal([]byte(got.out), &e); err != nil {
		t.Fatalf("%s: %v\n%s%s", kind, err, got.out, got.err)
	}
	o := e.Objects[len(e.Objects)-1]
	answer := golden.Answer{Outcome: o.Outcome, Reason: o.Reason, Sidecars: c.Answer.Sidecars}
	for _, w := range o.Warnings {
		answer.Warnings = append(answer.Warnings, sidecars.Warning{Code: w.Code, Text: w.Text}.String())
	}
	for _, x := range o.Errors {
		path := strings.TrimPrefix(x.Path, "spec.template.")
		if kind == "Pod" {
			path = x.Path
		}
		if inNamespace(c, x) {
			path = "namespace." + path
		}
		answer.Errors = append(answer.Errors, path+": "+x.Message)
		if x.Place == nil || x.Place.Line == 0 {
			t.Errorf("%s: %s has no place", kind, x.Path)
		}
	}
	want := c.Answer
	want.Errors = slices.Sorted(slices.Values(want.Errors))
	slices.Sort(answer.Errors)
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("%s: explain (-want +got):\n%s", kind, diff)
	}
}

// inNamespace reports whether an error is of the Namespace's document, which stands first in the stream.
func inNamespace(c *golden.Case, e cli.ExplainedError) bool {
	return e.Place != nil && c.NamespaceYAML != nil && e.Place.Line <= bytes.Count(c.NamespaceYAML, []byte("\n"))
}

func withNamespace(c *golden.Case, text []byte) []byte {
	if c.NamespaceYAML == nil {
		return text
	}
	return slices.Concat(c.NamespaceYAML, []byte("---\n"), text)
}

// podOf gives the Pod or the template in an object, without what tells them apart.
func podOf(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if o["kind"] == "Deployment" {
		o = o["spec"].(map[string]any)["template"].(map[string]any)
	}
	delete(o, "apiVersion")
	delete(o, "kind")
	return o
}

// lastDocument gives the last document of a stream as JSON.
func lastDocument(t *testing.T, stream string) []byte {
	t.Helper()
	out := run(t, []byte(stream), "uninject", "-o", "json").out
	return []byte("{" + strings.TrimPrefix(out[strings.LastIndex("\n"+out, "\n{\n"):], "{"))
}

// ran is what a run of the program gave.
type ran struct {
	out, err string
	code     int
}

// run runs the program in this process, with the catalog of the golden cases.
func run(t testing.TB, stdin []byte, args ...string) ran {
	t.Helper()
	var out, err bytes.Buffer
	code := cli.Run(&cli.Process{Args: append([]string{"pillion"}, args...), In: bytes.NewReader(stdin), Out: &out, Err: &err,
		Getenv: func(string) string { return "" }, Catalog: goldenCatalog(t), Version: "test"})
	return ran{out.String(), err.String(), code}
}

var loadCatalog = sync.OnceValues(func() (*sidecars.Catalog, error) {
	files, err := golden.Catalog()
	if err != nil {
		return nil, err
	}
	return sidecars.Load(files)
})

// goldenCatalog gives the catalog of the golden cases.
func goldenCatalog(t testing.TB) *sidecars.Catalog {
	t.Helper()
	catalog, err := loadCatalog()
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}
