package images

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The builder gets what programs are made of, and nothing that changes without changing them.
func TestWhatIsBuiltFrom(t *testing.T) {
	ignore, err := os.ReadFile(filepath.Join(root(t), ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put(t, dir, map[string]string{
		".dockerignore": string(ignore), "Dockerfile": "FROM scratch",
		"go.mod": "module m", "cmd/pillion/main.go": "package main", "cmd/pillion/main_test.go": "", "sidecars/catalog/proxy.yaml": "a: b",
		"sidecars/testdata/fuzz/1": "", ".git/HEAD": "", "test/images/app/main.go": "", "docs/design.md": "", "README.md": "",
		"bench.test": "", "bin/pillion": "", "pillion": "", "certs/certs.go": "package certs",
	})
	var got []string
	if err := walkContext(dir, func(name string, _ fs.DirEntry) error { got = append(got, name); return nil }); err != nil {
		t.Fatal(err)
	}
	want := []string{"certs/certs.go", "cmd/pillion/main.go", "go.mod", "sidecars/catalog/proxy.yaml"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sent to the builder (-want +got):\n%s", diff)
	}

	before := contextSum(t, dir)
	put(t, dir, map[string]string{"docs/design.md": "more", "cmd/pillion/main_test.go": "more"})
	if contextSum(t, dir) != before {
		t.Error("documents and tests change the key")
	}
	put(t, dir, map[string]string{"sidecars/catalog/proxy.yaml": "a: c"})
	if contextSum(t, dir) == before {
		t.Error("a changed catalog does not change the key")
	}

	to := t.TempDir()
	if err := copyContext(dir, to); err != nil {
		t.Fatal(err)
	}
	if contextSum(t, to) != contextSum(t, dir) {
		t.Error("the copy is not what was copied")
	}
}

func contextSum(t *testing.T, dir string) string {
	t.Helper()
	sum := sha256.New()
	if err := hashContext(sum, dir); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Two files cannot be told apart by where one ends.
func TestKeysSeparateFiles(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	put(t, one, map[string]string{"a": "xb 1\ny"})
	put(t, two, map[string]string{"a": "x", "b": "y"})
	sums := [][]byte{}
	for _, dir := range []string{one, two} {
		sum := sha256.New()
		if err := hashTree(sum, dir, "."); err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum.Sum(nil))
	}
	if bytes.Equal(sums[0], sums[1]) {
		t.Error("different trees have one key")
	}
}
