// Package catalog holds a catalog as a platform team would keep it: entries, and tests of what Pods get.
package catalog

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/cli"
)

// TestCatalog does what the repository of such a catalog would have its CI do.
func TestCatalog(t *testing.T) {
	for _, args := range [][]string{
		{"lint", "--strict", "entries"},
		{"test", "--catalog", "entries", "tests"},
	} {
		var out, err bytes.Buffer
		code := cli.Run(&cli.Process{Args: append([]string{"pillion"}, args...), In: strings.NewReader(""), Out: &out, Err: &err,
			Getenv: func(string) string { return "" }})
		if code != cli.ExitOK {
			t.Errorf("pillion %s: exit code %d\n%s%s", strings.Join(args, " "), code, &out, &err)
		}
		t.Logf("pillion %s: %s", strings.Join(args, " "), &err)
	}
}

// TestRefusedEntry lints the entry that the demo has refused: every mistake at its line.
func TestRefusedEntry(t *testing.T) {
	var out, err bytes.Buffer
	code := cli.Run(&cli.Process{Args: []string{"pillion", "lint", "refused"}, In: strings.NewReader(""), Out: &out, Err: &err,
		Getenv: func(string) string { return "" }})
	if code == cli.ExitOK {
		t.Errorf("pillion lint refused: exit code %d", code)
	}
	for _, place := range []string{"cache.yaml:11: spec.parameters[ttl]", "cache.yaml:15: spec.containers[0].args[0]",
		"cache.yaml:18: spec.containers[0].imagePullPolcy", "cache.yaml:21: spec.containers[0].resources.limits.memory"} {
		if !strings.Contains(out.String()+err.String(), place) {
			t.Errorf("nothing is said of %s:\n%s%s", place, &out, &err)
		}
	}
}
