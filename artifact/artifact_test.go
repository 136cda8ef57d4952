package artifact

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree makes files below a directory: a name with a slash at its end is a directory, "->" a link, a text that begins with #! may be run.
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o600)
		if strings.HasPrefix(text, "#!") {
			mode = 0o700
		}
		var err error
		if to, link := strings.CutPrefix(text, "->"); link {
			err = os.Symlink(to, name)
		} else {
			err = os.WriteFile(name, []byte(text), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// list reads a tree as name to mode and text.
func list(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		at, _ := filepath.Rel(dir, name)
		if e.Type() == fs.ModeSymlink {
			to, err := os.Readlink(name)
			out[at] = "->" + to
			return err
		}
		text, err := os.ReadFile(name)
		info, _ := e.Info()
		out[at] = info.Mode().String() + " " + string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func items(t *testing.T, texts ...string) []Item {
	t.Helper()
	var out []Item
	for _, text := range texts {
		item, err := ParseItem(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, item)
	}
	return out
}

func TestFilesAndDirectoriesAreCopied(t *testing.T) {
	image, target := t.TempDir(), t.TempDir()
	tree(t, image, map[string]string{
		"shop.war": "war 2", "site/index.html": "hello", "site/deep/run.sh": "#!x", "site/latest": "->index.html", "site/deep/up": "->../index.html",
		"current.war": "->shop.war",
	})
	tree(t, target, map[string]string{"ROOT.war": "war 1", "mine": "stays", ".ROOT.war.part": "of a copy that was cut short"})
	c := Copy{Image: image, Target: target, Limit: 100, Items: items(t, "/shop.war=ROOT.war", "/site=.", "/site/deep=a/b", "/current.war")}
	done, err := c.Do()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"ROOT.war": "-rw-r--r-- war 2", "mine": "-rw------- stays", "index.html": "-rw-r--r-- hello", "deep/run.sh": "-rwxr-xr-x #!x",
		"latest": "->index.html", "deep/up": "->../index.html", "a/b/run.sh": "-rwxr-xr-x #!x", "a/b/up": "->../index.html", "current.war": "-rw-r--r-- war 2",
	}
	if diff := cmp.Diff(want, list(t, target)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if done.Bytes != 5+5+3+3+5 {
		t.Errorf("%d bytes were copied", done.Bytes)
	}
	// The kubelet may run an init container again.
	if _, err := c.Do(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if diff := cmp.Diff(want, list(t, target)); diff != "" {
		t.Errorf("after a second time (-want +got)\n%s", diff)
	}
}

func TestWhatCannotBeCopiedIsSaid(t *testing.T) {
	outside := t.TempDir()
	tree(t, outside, map[string]string{"secret": "x"})
	tests := []struct {
		name          string
		image, target map[string]string
		item, want    string
	}{
		{"not there", nil, nil, "/nope", "copy /nope: statat nope: no such file or directory: is it where the image has it?"},
		{"too large", map[string]string{"big": strings.Repeat("x", 101)}, nil, "/big", "copy /big: big has 101 bytes: with the 0 before it that is more than the limit of 100"},
		{"too large together", map[string]string{"d/a": strings.Repeat("x", 60), "d/b": strings.Repeat("x", 60)}, nil, "/d", "copy /d: d/b has 60 bytes: with the 60 before it that is more than the limit of 100"},
		{"a link out of the image", map[string]string{"link": "->" + outside + "/secret"}, nil, "/link", "copy /link: statat link: path escapes from parent"},
		{"a link to an absolute path in a directory", map[string]string{"d/link": "->/etc/passwd"}, nil, "/d", "copy /d: d/link is a link to /etc/passwd, which leads out of what is copied"},
		{"a link out of the directory", map[string]string{"d/link": "->../../x"}, nil, "/d", "copy /d: d/link is a link to ../../x, which leads out of what is copied"},
		{"a target that leads out", map[string]string{"a": "x"}, map[string]string{"out": "->" + outside}, "/a=out/a", "path escapes from parent"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			image, target := t.TempDir(), t.TempDir()
			tree(t, image, test.image)
			tree(t, target, test.target)
			_, err := (&Copy{Image: image, Target: target, Limit: 100, Items: items(t, test.item)}).Do()
			if err == nil || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("error %v\nwant  %s", err, test.want)
			}
			if diff := cmp.Diff(map[string]string{"secret": "-rw------- x"}, list(t, outside)); diff != "" {
				t.Errorf("outside (-want +got)\n%s", diff)
			}
		})
	}
	image := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(image, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := (&Copy{Image: image, Target: t.TempDir(), Items: items(t, "/pipe")}).Do()
	if err == nil || err.Error() != "copy /pipe: pipe is neither a file, a directory nor a link" {
		t.Errorf("a pipe: error %v", err)
	}
}

func TestItemsAreChecked(t *testing.T) {
	for _, text := range []string{"", "a", "/a/../b", "/a=/b", "/a=../b", "/a=b/../../c"} {
		if item, err := ParseItem(text); err == nil {
			t.Errorf("%q is taken as %v", text, item)
		}
	}
}

func TestInstallCopiesTheProgram(t *testing.T) {
	dir := t.TempDir()
	if err := Install(dir); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want, _ := os.Stat(self)
	got, err := os.Stat(filepath.Join(dir, filepath.Base(self)))
	if err != nil || got.Size() != want.Size() || got.Mode() != 0o755 {
		t.Errorf("%v %v", got, err)
	}
}
