package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unitTests runs suites of charts/pillion/unittests on a copy of the chart, and gives what helm-unittest prints.
func unitTests(t *testing.T, chart string, suites ...string) (string, error) {
	t.Helper()
	args := []string{"--strict", "--color=false"}
	for _, suite := range suites {
		args = append(args, "--file=unittests/"+suite)
	}
	cmd := exec.CommandContext(t.Context(), tool(t, "helm-unittest", "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"), append(args, chart)...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	out, errs, err := output(cmd)
	return out + errs, err
}

// suites gives the files of the suites, and the templates of each.
func suites(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(chartDir + "/unittests/*_test.yaml")
	if err != nil || len(files) < 9 {
		t.Fatal(err, files)
	}
	out := map[string][]string{}
	for _, file := range files {
		var suite struct{ Templates []string }
		read(t, "unittests/"+filepath.Base(file), &suite)
		for _, template := range suite.Templates {
			out[filepath.Base(file)] = append(out[filepath.Base(file)], strings.TrimPrefix(template, "templates/"))
		}
	}
	return out
}

func TestUnitTestsPass(t *testing.T) {
	out, err := unitTests(t, chartDir, "*_test.yaml")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	asserts := 0
	for file := range suites(t) {
		text, err := os.ReadFile(filepath.Join(chartDir, "unittests", file))
		if err != nil {
			t.Fatal(err)
		}
		asserts += strings.Count(string(text), "\n      - ")
	}
	if asserts < 250 {
		t.Errorf("there are %d assertions", asserts)
	}
}

// condition is a condition of a template: where it is, and what to put in its place.
type condition struct {
	file, name  string
	at, length  int
	replacement string
	suites      []string
}

var conditions = regexp.MustCompile(`\{\{-? (?:else )?(if|with) (.+?)\s*-?\}\}`)

// TestEveryConditionMatters makes each condition of the templates true, and false: the unit tests have to see it. Of the many
// one in ten is tried, all of them with PILLION_PROVE=1.
func TestEveryConditionMatters(t *testing.T) {
	all := templateConditions(t)
	step := 10
	if os.Getenv("PILLION_PROVE") != "" {
		step = 1
	}
	chart := t.TempDir()
	if err := os.CopyFS(chart, os.DirFS(chartDir)); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for i := 0; i < len(all); i += step {
		c := all[i]
		path := filepath.Join(chart, c.file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := string(text[:c.at]) + c.replacement + string(text[c.at+c.length:])
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := unitTests(t, chart, c.suites...); err == nil {
			t.Errorf("%s: no unit test sees it\n%s", c.name, out)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		tried++
	}
	t.Logf("%d of %d changes of conditions were tried", tried, len(all))
	if tried < 10 {
		t.Errorf("%d conditions were tried", tried)
	}
}

// templateConditions finds the conditions of all templates, in order. One of `with` is only made false: what it is about has
// no other value to be.
func templateConditions(t *testing.T) (out []condition) {
	t.Helper()
	var files []string
	for _, glob := range []string{"templates/*", "templates/tests/*"} {
		found, err := filepath.Glob(filepath.Join(chartDir, glob))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // a directory
		}
		file, err := filepath.Rel(chartDir, path)
		if err != nil {
			t.Fatal(err)
		}
		var of []string
		for suite, templates := range suites(t) {
			name := strings.TrimPrefix(file, "templates/")
			if strings.HasPrefix(name, "_") || slices.Contains(templates, name) {
				of = append(of, suite)
			}
		}
		for _, m := range conditions.FindAllSubmatchIndex(text, -1) {
			replacements := []string{"true", "false"}
			if string(text[m[2]:m[3]]) == "with" {
				replacements = []string{`""`}
			}
			for _, r := range replacements {
				line := 1 + strings.Count(string(text[:m[0]]), "\n")
				out = append(out, condition{file: file, at: m[4], length: m[5] - m[4], replacement: r, suites: of,
					name: file + ":" + strconv.Itoa(line) + ": " + string(text[m[0]:m[1]]) + " made " + r})
			}
		}
	}
	return out
}
