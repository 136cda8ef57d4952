package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"list"}, &stdout, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"app\tlocalhost/app:v1\n", "webhook\tghcr.io/pillion-dev/pillion/webhook:"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the list lacks %q:\n%s", want, stdout.String())
		}
	}
}

// Names and flags may come in any order; the paths printed are those of the archives, in the order asked for.
func TestBuildIntoAFolder(t *testing.T) {
	dir := t.TempDir()
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"build", "pause", "--out", dir, "app"}, &stdout, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(dir, "pause.tar") + "\n" + filepath.Join(dir, "app.tar") + "\n"
	if stdout.String() != want {
		t.Errorf("printed %q, want %q", stdout.String(), want)
	}
	for path := range strings.Lines(want) {
		if _, err := os.Stat(strings.TrimSpace(path)); err != nil {
			t.Error(err)
		}
	}
}

func TestMistakesAreTold(t *testing.T) {
	for _, args := range [][]string{nil, {"list", "all"}, {"bake"}, {"build", "--into", "x"}} {
		var stderr bytes.Buffer
		if err := run(t.Context(), args, &bytes.Buffer{}, &stderr); !errors.Is(err, errUsage) || stderr.Len() == 0 {
			t.Errorf("%q: error %v, said %q", args, err, stderr.String())
		}
	}
}
