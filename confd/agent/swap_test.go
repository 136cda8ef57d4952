package agent

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pillion-dev/pillion/confd"
)

// put does what the agent does with a rendered text.
func put(dest, content string, r *confd.Resource, directories ...string) (written bool, err error) {
	p, err := openPlace(dest, directories)
	if err != nil {
		return false, err
	}
	defer p.close()
	same, err := p.same(content, r)
	if err != nil || same {
		return false, err
	}
	s, err := p.stage(content, r)
	if err != nil {
		return false, err
	}
	if err := s.swap(); err != nil {
		s.drop()
		return false, err
	}
	return true, nil
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// only fails where a folder has other files.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if strings.Join(have, " ") != strings.Join(names, " ") {
		t.Errorf("%s has %q, want %q", dir, have, names)
	}
}

func TestFileIsSwappedWithItsModeAndOwner(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "a.conf")
	for i, tt := range []struct {
		content string
		mode    *fs.FileMode
		want    fs.FileMode
		written bool
	}{
		{"one", nil, 0o644, true},
		{"one", nil, 0o644, false},
		{"two", nil, 0o644, true},
		{"two", new(fs.FileMode(0o600)), 0o600, true},
		{"two", new(fs.FileMode(0o600)), 0o600, false},
		{"three", nil, 0o600, true}, // keeps what it has
		{"", nil, 0o600, true},
		{"", nil, 0o600, false},
	} {
		written, err := put(dest, tt.content, &confd.Resource{Mode: tt.mode}, dir)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(dest)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, dest); got != tt.content || info.Mode() != tt.want || written != tt.written {
			t.Errorf("step %d: %q with %s, written: %v; want %q with %s, %v", i, got, info.Mode(), written, tt.content, tt.want, tt.written)
		}
	}
	only(t, dir, "a.conf")
	if os.Geteuid() != 0 {
		return // nobody else may give files away
	}
	if written, err := put(dest, "", &confd.Resource{UID: new(1000), GID: new(2000)}, dir); err != nil || !written {
		t.Fatalf("written: %v, %v", written, err)
	}
	info, _ := os.Stat(dest)
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 1000 || stat.Gid != 2000 {
		t.Errorf("the owner is %d:%d", stat.Uid, stat.Gid)
	}
}

// TestReadersSeeOneFileOrTheOther reads all the time while files are swapped.
func TestReadersSeeOneFileOrTheOther(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "a.conf")
	texts := []string{strings.Repeat("a", 100_000), strings.Repeat("b", 50_000)}
	if _, err := put(dest, texts[0], &confd.Resource{}, dir); err != nil {
		t.Fatal(err)
	}
	stop, result := make(chan struct{}), make(chan string)
	go func() {
		for {
			select {
			case <-stop:
				result <- ""
				return
			default:
			}
			if b, err := os.ReadFile(dest); err != nil || string(b) != texts[0] && string(b) != texts[1] {
				result <- "a reader saw neither the old nor the new file"
				return
			}
		}
	}()
	for i := range 200 {
		if _, err := put(dest, texts[i%2], &confd.Resource{}, dir); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if trouble := <-result; trouble != "" {
		t.Error(trouble)
	}
}

// TestOthersLeadNowhere puts into a shared directory what an app could put there.
func TestOthersLeadNowhere(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		make func(dest string) error
		want string // in the error; empty: the file is replaced
	}{
		"a link to a file outside":   {func(dest string) error { return os.Symlink(secret, dest) }, ""},
		"a hard link to one":         {func(dest string) error { return os.Link(secret, dest) }, ""},
		"a link to nothing":          {func(dest string) error { return os.Symlink("/nothing", dest) }, ""},
		"a pipe nobody writes":       {func(dest string) error { return syscall.Mkfifo(dest, 0o600) }, "is no file: p"},
		"a directory":                {func(dest string) error { return os.Mkdir(dest, 0o700) }, "is no file: d"},
		"a link as its directory":    {func(dest string) error { return os.Rename(filepath.Dir(dest), filepath.Dir(dest)+"x") }, ""},
		"a link outside above":       {func(dest string) error { return relink(filepath.Dir(dest), outside) }, "path escapes from parent"},
		"a relative link outside":    {func(dest string) error { return relink(filepath.Dir(dest), "../../../../../../../../tmp") }, "path escapes from parent"},
		"a file that is unreadable":  {func(dest string) error { return os.WriteFile(dest, []byte("x"), 0) }, ""},
		"a file of the same length":  {func(dest string) error { return os.WriteFile(dest, []byte("NEW"), 0o644) }, ""},
		"a huge file without a byte": {func(dest string) error { return os.WriteFile(dest, nil, 0o644) }, ""},
	} {
		shared := t.TempDir()
		dest := filepath.Join(shared, "sub", "a.conf")
		if err := os.Mkdir(filepath.Dir(dest), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := tt.make(dest); err != nil {
			t.Fatal(err)
		}
		_, err := put(dest, "new", &confd.Resource{}, shared)
		switch {
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: the error is %v, want one with %q", name, err, tt.want)
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want == "" && read(t, dest) != "new":
			t.Errorf("%s: the file is %q", name, read(t, dest))
		}
		if got := read(t, secret); got != "secret" {
			t.Fatalf("%s: the file outside is %q", name, got)
		}
		only(t, outside, "secret")
	}
}

func relink(dir, to string) error {
	if err := os.Remove(dir); err != nil {
		return err
	}
	return os.Symlink(to, dir)
}

func TestOnlyDeclaredDirectoriesAreWrittenTo(t *testing.T) {
	dir := t.TempDir()
	_, err := put(dir+"-beside/a.conf", "x", &confd.Resource{}, dir, "/etc/haproxy/conf.d")
	want := "dest: " + dir + "-beside/a.conf lies in none of the directories that confd may write to: " + dir + ", /etc/haproxy/conf.d"
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

func TestLeftoversOfAKilledProgramAreRemoved(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "a.conf")
	p, err := openPlace(dest, []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if _, err := p.stage("half", &confd.Resource{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".other.conf.confd-ABCDEFGH"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.clean()
	only(t, dir, ".other.conf.confd-ABCDEFGH")
}
