package files

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/confd"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func view(k *confd.Keys) map[string]string {
	pairs, _ := k.View([]string{"/"}, confd.Below)
	m := map[string]string{}
	for _, p := range pairs {
		m[p.Key] = p.Value
	}
	return m
}

// becomes waits until the keys are as wanted.
func becomes(t *testing.T, k *confd.Keys, want map[string]string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		diff := cmp.Diff(want, view(k))
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(diff)
		}
	}
}

// follow runs a backend until the test ends.
func follow(t *testing.T, b interface {
	Follow(context.Context, []string, *confd.Keys) error
}) *confd.Keys {
	t.Helper()
	keys := confd.NewKeys(nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Follow(ctx, nil, keys) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return keys
}

func TestDocumentsAreKeys(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "database: {hosts: [a, b], port: 5432, ratio: 0.5, big: 1e21, on: true, none: null, text: '007', 8080: x}\nempty: {}\n")
	write(t, filepath.Join(dir, "b.json"), `{"database": {"port": 6432}, "top": "json"}`)
	write(t, filepath.Join(dir, "sub", "c.yml"), "top: deeper\n")
	write(t, filepath.Join(dir, "readme.txt"), "}")
	becomes(t, follow(t, &Backend{Directory: dir}), map[string]string{
		"/database/hosts/0": "a", "/database/hosts/1": "b", "/database/port": "6432", "/database/ratio": "0.5",
		"/database/big": "1000000000000000000000", "/database/on": "true", "/database/text": "007", "/database/8080": "x", "/top": "deeper",
	})
}

func TestChangedFilesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "a: 1\n")
	keys := follow(t, &Backend{Directory: dir})
	becomes(t, keys, map[string]string{"/a": "1"})
	write(t, filepath.Join(dir, "a.yaml"), "a: 2\n")
	becomes(t, keys, map[string]string{"/a": "2"})
	write(t, filepath.Join(dir, "new", "b.yaml"), "b: 1\n")
	becomes(t, keys, map[string]string{"/a": "2", "/b": "1"})
	write(t, filepath.Join(dir, "new", "b.yaml"), "b: 2\n") // in a folder that came later
	becomes(t, keys, map[string]string{"/a": "2", "/b": "2"})
	if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	becomes(t, keys, map[string]string{"/b": "2"})
}

// TestMountedConfigMapIsFollowed changes files as the kubelet does: all at once, by a link.
func TestMountedConfigMapIsFollowed(t *testing.T) {
	dir := t.TempDir()
	version := func(name, text string) {
		t.Helper()
		write(t, filepath.Join(dir, name, "values.yaml"), text)
		if err := os.Symlink(name, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..2026_01", "a: 1\n")
	if err := os.Symlink("..data/values.yaml", filepath.Join(dir, "values.yaml")); err != nil {
		t.Fatal(err)
	}
	keys := follow(t, &Backend{Directory: dir})
	becomes(t, keys, map[string]string{"/a": "1"})
	version("..2026_02", "a: 2\n")
	becomes(t, keys, map[string]string{"/a": "2"})
	if err := os.RemoveAll(filepath.Join(dir, "..2026_01")); err != nil {
		t.Fatal(err)
	}
	version("..2026_03", "a: 3\n")
	becomes(t, keys, map[string]string{"/a": "3"})
}

func TestBadDocumentsSayWhere(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "a: 1\nb: [\n")
	keys := confd.NewKeys(nil)
	err := (&Backend{Directory: dir}).Follow(t.Context(), nil, keys)
	if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, "a.yaml")+": yaml: line ") {
		t.Errorf("the error is %v", err)
	}
	if _, loaded := keys.View([]string{"/"}, confd.Below); loaded {
		t.Error("keys are loaded from a bad document")
	}
	if err := (&Backend{Directory: dir + "/no"}).Follow(t.Context(), nil, keys); err == nil || !strings.Contains(err.Error(), "/no: no such file or directory") {
		t.Errorf("the error is %v", err)
	}
}

func TestEnvironmentIsKeys(t *testing.T) {
	t.Setenv("DATABASE_HOST", "10.0.0.1")
	t.Setenv("DATABASE_PORT", "a=b")
	keys := follow(t, Environment{})
	<-keys.Changed()
	got, _ := keys.View([]string{"/database"}, Environment{}.Selects)
	want := []confd.KVPair{{Key: "/database/host", Value: "10.0.0.1"}, {Key: "/database/port", Value: "a=b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]bool{"/database_host": true, "/DATABASE": true, "/data": true, "/": true, "/base": false} {
		if (Environment{}).Selects(path, "/database/host") != want {
			t.Errorf("%s selects /database/host: want %v", path, want)
		}
	}
	if b := (&Backend{}); !b.Selects("/up", "/upstream/1") || b.Selects("/upstream", "/up") {
		t.Error("files are not selected by the beginning of their text")
	}
}
