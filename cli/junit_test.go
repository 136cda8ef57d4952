package cli_test

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/cli"
)

// junitReport is what build servers read of a report.
type junitReport struct {
	XMLName  xml.Name `xml:"testsuites"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Suites   []struct {
		Name  string `xml:"name,attr"`
		Cases []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// TestJUnitIsWellFormed has cases fail with texts that XML cannot hold as they are.
func TestJUnitIsWellFormed(t *testing.T) {
	dir := t.TempDir()
	pod := "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  annotations: {pillion.dev/inject: \"%\"}\nspec:\n  containers: [{name: a, image: a}]\n"
	for name, text := range map[string]string{
		"passes/pod.yaml":                   strings.Replace(pod, "%", "false", 1),
		"passes/expected.yaml":              strings.Replace(pod, "%", "false", 1),
		"lacks/pod.yaml":                    pod,
		"quotes <&> \"'/pod.yaml":           strings.Replace(pod, "%", `<]]>&\"'\e[31m\u0001`, 1),
		"quotes <&> \"'/expected-error.txt": "]]> \x01 \x1b & <b>\n",
		"unreadable/pod.yaml":               "{{{",
		"unreadable/expected-error.txt":     "x",
		"no-manifest/expected-error.txt":    "x",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "report.xml")
	if got := run(t, nil, "test", "--junit", file, dir); got.code != cli.ExitRefused {
		t.Fatalf("exit code %d\n%s%s", got.code, got.out, got.err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report junitReport
	if err := xml.Unmarshal(text, &report); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if report.Tests != 5 || report.Failures != 4 || len(report.Suites) != 1 {
		t.Errorf("%d tests, %d failures, %d suites\n%s", report.Tests, report.Failures, len(report.Suites), text)
	}
	failed := map[string]string{}
	for _, c := range report.Suites[0].Cases {
		if c.Failure != nil {
			failed[c.Name] = c.Failure.Message
			if strings.TrimSpace(c.Failure.Text) == "" {
				t.Errorf("%s fails for no reason", c.Name)
			}
		}
	}
	want := map[string]string{
		"lacks":          "nothing is expected: --update writes expected-error.txt",
		"no-manifest":    "there is no manifest beside expected-error.txt",
		"quotes <&> \"'": "differs from expected-error.txt",
		"unreadable":     failed["unreadable"],
	}
	if diff := cmp.Diff(want, failed); diff != "" || failed["unreadable"] == "" {
		t.Errorf("failures (-want +got):\n%s\n%s", diff, text)
	}
}
