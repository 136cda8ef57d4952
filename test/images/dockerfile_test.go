package images

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// The Dockerfile is built, target by target, twice from copies of the checkout at different places.
func TestDockerfile(t *testing.T) {
	const version = "9.8.7-test"
	if os.Geteuid() != 0 {
		t.Fatal(errRoot)
	}
	once := t.TempDir()
	if err := copyContext(root(t), once); err != nil {
		t.Fatal(err)
	}
	all, err := targets(once)
	if err != nil {
		t.Fatal(err)
	}
	first, second := buildTargets(t, once, all, version), buildTargets(t, once, all, version)
	for _, target := range all {
		t.Run(target, func(t *testing.T) {
			file, program := onlyFile(t, first[target])
			if _, again := onlyFile(t, second[target]); !bytes.Equal(program, again) {
				t.Error("two builds of one source give different programs")
			}
			if a, b := digest(t, first[target]), digest(t, second[target]); a != b {
				t.Errorf("two builds of one source give the images %s and %s", a, b)
			}
			checkConfig(t, first[target], file, version)
			checkRuns(t, file, program, version)
			t.Logf("%s: /%s, %.1f MiB", target, file, float64(len(program))/(1<<20))
		})
	}
}

func buildTargets(t *testing.T, root string, all []string, version string) map[string]v1.Image {
	t.Helper()
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder(root, cache, &lines{t})
	t.Cleanup(b.close)
	if err := b.lock(context.Background()); err != nil { // packages are fetched by one process at a time
		t.Fatal(err)
	}
	d, err := newDockerfile(context.Background(), root, t.TempDir(), b.debian)
	b.close()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]v1.Image{}
	for _, target := range all {
		if out[target], err = d.image(context.Background(), target, version); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// lines is a writer for the test's log.
type lines struct{ t *testing.T }

func (l *lines) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// roots are what a program that may dial a public server trusts.
const roots = "etc/ssl/certs/ca-certificates.crt"

// onlyFile returns the one file of the image: a program, and so no shell and no tool beside it.
func onlyFile(t *testing.T, image v1.Image) (string, []byte) {
	t.Helper()
	content := mutate.Extract(image)
	defer content.Close()
	var names []string
	var program []byte
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir || h.Name == roots {
			continue
		}
		names = append(names, h.Name)
		if h.Typeflag != tar.TypeReg || h.FileInfo().Mode().Perm() != 0o755 || h.Uid != 0 {
			t.Errorf("%s: type %c, mode %v, owner %d; want a program of root's", h.Name, h.Typeflag, h.FileInfo().Mode(), h.Uid)
		}
		if program, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(names) != 1 {
		t.Fatalf("files %q, want the program alone", names)
	}
	return names[0], program
}

func digest(t *testing.T, image v1.Image) v1.Hash {
	t.Helper()
	d, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func checkConfig(t *testing.T, image v1.Image, file, version string) {
	t.Helper()
	c, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	got := c.Config
	wanted := map[string]string{
		"title": "Pillion", "licenses": "Apache-2.0", "version": version, "source": "https://github.com/pillion-dev/pillion",
	}
	for key, want := range wanted {
		if label := got.Labels["org.opencontainers.image."+key]; label != want {
			t.Errorf("label %s is %q, want %q", key, label, want)
		}
	}
	got.Labels = nil
	for _, e := range got.Env { // builders set a path
		if !strings.HasPrefix(e, "PATH=") {
			t.Errorf("environment %q", e)
		}
	}
	got.Env = nil
	want := v1.Config{User: nonRoot, Entrypoint: []string{"/" + file}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if c.OS != "linux" {
		t.Errorf("built for %q", c.OS)
	}
}

// checkRuns runs the program as the image's user, and has it say its version, by a flag or by a command.
func checkRuns(t *testing.T, name string, program []byte, version string) {
	t.Helper()
	at := filepath.Join(t.TempDir(), path.Base(name))
	if err := os.WriteFile(at, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if needed, interpreter := dynamic(t, at); len(needed) > 0 || interpreter != "" {
		t.Errorf("not static: needs %q of %q", needed, interpreter)
	}
	var said []string
	for _, argument := range []string{"--version", "version"} {
		out, err := exec.Command(at, argument).CombinedOutput()
		if err == nil && strings.Contains(string(out), version) {
			return
		}
		said = append(said, fmt.Sprintf("%s: %v: %s", argument, err, out))
	}
	t.Errorf("does not say %s:\n%s", version, strings.Join(said, "\n"))
}

func dynamic(t *testing.T, at string) (needed []string, interpreter string) {
	t.Helper()
	interpreter, needed, err := readELF(at)
	if err != nil {
		t.Fatal(err)
	}
	return needed, interpreter
}
