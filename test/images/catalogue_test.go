package images

import (
	"bytes"
	"context"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Whatever the catalog puts on a Pod can be made here, from the day that its program exists.
func TestEveryImageOfTheCatalogIsMade(t *testing.T) {
	dir := root(t)
	named, err := catalogImages(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(named) == 0 {
		t.Fatal("the catalog names no image")
	}
	all, err := List()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range named {
		made := slices.ContainsFunc(all, func(a Archive) bool { return slices.Contains(a.Refs, ref) })
		name, _, _ := strings.Cut(path.Base(ref), ":")
		if !made && (!strings.HasPrefix(ref, ours) || exists(dir, "cmd/"+name) || exists(dir, "cmd/pillion-"+name)) {
			t.Errorf("the catalog names %s, which is not made here", ref)
		}
	}
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

var copied = regexp.MustCompile(`(?m)^COPY --from=build /out/(\S+) /$`)

// A program without an image could not be installed.
func TestEveryProgramHasAnImage(t *testing.T) {
	dir := root(t)
	b, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	commands, err := os.ReadDir(filepath.Join(dir, "cmd"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, c := range commands {
		want = append(want, c.Name())
	}
	for _, m := range copied.FindAllSubmatch(b, -1) {
		got = append(got, string(m[1]))
	}
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("cmd has %q, the Dockerfile copies %q: give each program a target of three lines", want, got)
	}
}

// A published image that is stood in for is one that an example names, else nobody needs the name.
func TestStandInsAreThoseOfTheExamples(t *testing.T) {
	dir := root(t)
	var examples bytes.Buffer
	files, err := filepath.Glob(filepath.Join(dir, "examples", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range []string{"proxy", "runner", "debug"} {
		files = append(files, filepath.Join(dir, "sidecars", "catalog", entry+".yaml"))
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		examples.Write(b)
	}
	all, err := List()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		for _, ref := range a.Refs {
			if strings.HasPrefix(ref, "docker.io/") && !bytes.Contains(examples.Bytes(), []byte(": "+ref)) {
				t.Errorf("%s is called %s, which no example names", a.Name, ref)
			}
		}
	}
}

func TestAMistypedNameIsToldWhatThereIs(t *testing.T) {
	_, err := Build(context.Background(), &bytes.Buffer{}, "ngnix")
	if err == nil || !strings.HasPrefix(err.Error(), `image "ngnix": unknown, there are: pause, app,`) {
		t.Errorf("error %v", err)
	}
}

// The second call makes nothing; changed input makes the image anew; a folder gets it under its name.
func TestImagesAreKept(t *testing.T) {
	elsewhere, cache := t.TempDir(), t.TempDir()
	if err := os.CopyFS(filepath.Join(elsewhere, "test"), os.DirFS(filepath.Join(root(t), "test", "cluster", "pause"))); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(elsewhere, "test", "images"), os.DirFS(filepath.Join(root(t), "test", "images"))); err != nil {
		t.Fatal(err)
	}
	r := goProgram("pause", "localhost/pause:v1", "test", ".", pauseImage)
	make := func() (*Archive, string) {
		t.Helper()
		var log bytes.Buffer
		b := newBuilder(elsewhere, cache, &log)
		defer b.close()
		a, err := b.archive(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		return a, log.String()
	}
	first, log := make()
	if !strings.Contains(log, "images: pause: made in ") {
		t.Errorf("the first call says %q", log)
	}
	second, log := make()
	if log != "" || second.Digest != first.Digest || second.Path != first.Path {
		t.Errorf("the second call says %q and gives %+v after %+v", log, second, first)
	}
	if err := os.WriteFile(filepath.Join(elsewhere, "test", "more.go"), []byte("package main\n\nfunc init() { println() }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	third, _ := make()
	if third.Digest == first.Digest || third.Path == first.Path {
		t.Error("changed source gives the old image")
	}
	for range 2 { // over itself, too
		out := filepath.Join(cache, "out", "pause.tar")
		if err := third.PutInto(out); err != nil {
			t.Fatal(err)
		}
		if a := readArchive(t, out); !slices.Equal(a.names, third.Refs) {
			t.Errorf("%s has the names %q", out, a.names)
		}
		if left, _ := filepath.Glob(filepath.Join(cache, "out", "*")); len(left) != 1 {
			t.Errorf("in the folder: %q", left)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "making-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestUpstreamVersion(t *testing.T) {
	for version, want := range map[string]string{
		"2.6.12-1+deb12u4": "2.6.12", "1:1.2.13.dfsg-1": "1.2.13.dfsg", "2.42.0+ds-5+deb12u1": "2.42.0", "10.1.60-1~deb12u1": "10.1.60",
	} {
		if got := upstream(version); got != want {
			t.Errorf("upstream(%q) = %q, want %q", version, got, want)
		}
	}
}

// An image whose program lacks a library is refused here, not found out by a Pod that will not start.
func TestAProgramThatLacksALibraryIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := copyFile(shell, filepath.Join(dir, "bin", "sh")); err != nil {
		t.Fatal(err)
	}
	if _, err := libraries(dir, []string{"/bin/sh"}); err == nil || !strings.Contains(err.Error(), "needs libc") {
		t.Errorf("error %v, want one that names the library", err)
	}
}
