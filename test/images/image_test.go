package images

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// An image of the same files has the same bytes, wherever and whenever they were written and by whom.
func TestSameFilesGiveTheSameArchive(t *testing.T) {
	var archives [][]byte
	for i, when := range []time.Time{time.Unix(0, 0), time.Now()} {
		source := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(source, []byte("program"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(source, when, when); err != nil {
			t.Fatal(err)
		}
		files := []file{program("/bin/program", source), text("/etc/passwd", "root"), symlink("/bin/sh", "program")}
		if i > 0 {
			files[0], files[2] = files[2], files[0]
		}
		image, err := assemble(files, v1.Config{User: nonRoot})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := write(&out, image, []string{"localhost/a:1", "localhost/b:2"}); err != nil {
			t.Fatal(err)
		}
		archives = append(archives, out.Bytes())
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same files differ")
	}
}

// What is in an archive is what was asked for, under the names asked for, with nothing of this machine.
func TestArchive(t *testing.T) {
	image, err := assemble([]file{
		program("/app", os.Args[0]), directory("/tmp", modeTmp, 0), directory("/var/log/app", 0o755, 65532), symlink("/bin/sh", "../app"),
	}, v1.Config{User: nonRoot, Entrypoint: []string{"/app"}, WorkingDir: "/tmp"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "app.tar")
	names := []string{"localhost/app:v1", "docker.io/library/app:v2"}
	if err := writeFile(path, image, names); err != nil {
		t.Fatal(err)
	}
	a := readArchive(t, path)
	if diff := cmp.Diff(names, a.names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	want := v1.Config{User: nonRoot, Entrypoint: []string{"/app"}, WorkingDir: "/tmp"}
	if diff := cmp.Diff(want, a.config.Config); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if a.config.OS != "linux" || !a.config.Created.IsZero() {
		t.Errorf("system %q, created %v; want linux and no time", a.config.OS, a.config.Created)
	}
	files := []string{"drwxrwxrwt 0 tmp/", "drwxr-xr-x 0 var/", "drwxr-xr-x 0 var/log/", "drwxr-xr-x 65532 var/log/app/", "drwxr-xr-x 0 bin/",
		"lrwxrwxrwx 0 bin/sh -> ../app", "-rwxr-xr-x 0 app"}
	if diff := cmp.Diff(sorted(files), sorted(a.files)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFilesThatNoImageCanHave(t *testing.T) {
	tests := []struct {
		name  string
		files []file
		want  string
	}{
		{"two at one path", []file{text("/a", "1"), text("/a", "2")}, "file /a: twice in one image"},
		{"a relative path", []file{text("a", "1")}, `file "a" of an image: not a clean absolute path`},
		{"a path that leads out", []file{text("/../a", "1")}, `file "/../a" of an image: not a clean absolute path`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := assemble(test.files, v1.Config{})
			if err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

// The programs of the tests come out the same from two checkouts at different places.
func TestProgramsAreTheSameFromEveryCheckout(t *testing.T) {
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string][]string{}
	for range 2 {
		elsewhere := t.TempDir()
		for _, module := range []string{"test/images", "test/cluster/pause"} {
			if err := os.CopyFS(filepath.Join(elsewhere, module), os.DirFS(filepath.Join(root, module))); err != nil {
				t.Fatal(err)
			}
		}
		b := newBuilder(elsewhere, t.TempDir(), io.Discard)
		defer b.close()
		for _, r := range []recipe{
			goProgram("pause", "localhost/pause:v1", "test/cluster/pause", ".", pauseImage),
			goProgram("app", "localhost/app:v1", "test/images", "./app", appImage),
		} {
			a, err := b.archive(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			digests[r.name] = append(digests[r.name], a.Digest)
		}
	}
	for name, d := range digests {
		if d[0] != d[1] {
			t.Errorf("%s: digests %s and %s", name, d[0], d[1])
		}
	}
}

// contents is what a test reads of an archive.
type contents struct {
	names  []string
	config v1.ConfigFile
	files  []string // mode, owner and path
	bytes  map[string][]byte
}

func readArchive(t *testing.T, path string) contents {
	t.Helper()
	blobs := map[string][]byte{}
	for header, content := range entries(t, path) {
		blobs[header.Name] = content
		if !header.ModTime.Equal(time.Unix(0, 0)) && !header.ModTime.IsZero() {
			t.Errorf("%s has a time: %v", header.Name, header.ModTime)
		}
	}
	var index v1.IndexManifest
	unmarshal(t, blobs["index.json"], &index)
	out := contents{bytes: map[string][]byte{}}
	for _, m := range index.Manifests {
		out.names = append(out.names, m.Annotations["io.containerd.image.name"])
	}
	var manifest v1.Manifest
	unmarshal(t, blobs[blobPath(index.Manifests[0].Digest)], &manifest)
	unmarshal(t, blobs[blobPath(manifest.Config.Digest)], &out.config)
	for _, layer := range manifest.Layers {
		out.read(t, blobs[blobPath(layer.Digest)])
	}
	return out
}

func (c *contents) read(t *testing.T, layer []byte) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(time.Unix(0, 0)) || h.Uname != "" || h.Gname != "" || h.Uid != h.Gid {
			t.Errorf("%s: time %v, owner %d:%d (%s:%s)", h.Name, h.ModTime, h.Uid, h.Gid, h.Uname, h.Gname)
		}
		line := listed(h)
		c.files = append(c.files, line)
		if c.bytes[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func listed(h *tar.Header) string {
	mode := h.FileInfo().Mode()
	kind := "-"
	switch h.Typeflag {
	case tar.TypeDir:
		kind = "d"
	case tar.TypeSymlink:
		kind = "l"
	}
	permissions := mode.Perm().String()[1:]
	if mode&os.ModeSticky != 0 {
		permissions = permissions[:8] + "t"
	}
	line := kind + permissions + " " + strconv.Itoa(h.Uid) + " " + h.Name
	if h.Linkname != "" {
		line += " -> " + h.Linkname
	}
	return line
}

// entries reads every file of a tar.
func entries(t *testing.T, path string) map[*tar.Header][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[*tar.Header][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if out[h], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func unmarshal(t *testing.T, b []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%v in %.200q", err, b)
	}
}

func sorted(lines []string) []string {
	return slices.Sorted(slices.Values(lines))
}
