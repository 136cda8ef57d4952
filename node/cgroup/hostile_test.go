package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestLinksLeadNowhere has links where cgroups and their files should be: nothing beyond is read or written.
func TestLinksLeadNowhere(t *testing.T) {
	mount, beyond := t.TempDir(), t.TempDir()
	const secret = "usage_usec 7\n"
	pod := filepath.Join(mount, "pod")
	err := errors.Join(os.WriteFile(filepath.Join(beyond, fileBurst), []byte(secret), 0o600), os.WriteFile(filepath.Join(beyond, "cpu.stat"), []byte(secret), 0o600),
		os.Mkdir(pod, 0o755), os.Symlink(beyond, filepath.Join(pod, "ctr-1")), os.Symlink(filepath.Join("..", "..", filepath.Base(beyond)), filepath.Join(pod, "ctr-2")),
		os.Symlink(beyond, filepath.Join(mount, "other")), os.Mkdir(filepath.Join(beyond, "ctr-3"), 0o755), os.Mkdir(filepath.Join(pod, "ctr-4"), 0o755))
	for _, file := range []string{fileBurst, "cpu.stat"} {
		err = errors.Join(err, os.Symlink(filepath.Join(beyond, file), filepath.Join(pod, "ctr-4", file)))
	}
	if err != nil {
		t.Fatal(err)
	}
	h := Hierarchies{"": mount}
	for at, id := range map[string]string{"/pod/ctr-1": "ctr-1", "/pod/ctr-2": "ctr-2", "/other/ctr-3": "ctr-3", "/../" + filepath.Base(beyond): "", "/pod/ctr-4/../ctr-4": "ctr-4"} {
		if d, err := h.Open(Paths{"": at}, id); err == nil {
			d.Close()
			t.Errorf("%s was opened", at)
		}
	}
	d, err := h.Open(Paths{"": "/pod/ctr-4"}, "ctr-4")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if u, ok := d.Sample(); ok {
		t.Errorf("%+v was read through a link", u)
	}
	if limits := d.Limits(); len(limits) > 0 {
		t.Errorf("%v were read through a link", limits)
	}
	if err := d.DropBurst(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(beyond, fileBurst)); err != nil || string(text) != secret {
		t.Errorf("beyond the cgroup there is now %q, %v", text, err)
	}
}

func TestNoLimitIsMax(t *testing.T) {
	for value, want := range map[string]string{"9223372036854771712": "max", "-1": "max", "max": "max", "9223372036854771711": "9223372036854771711",
		"67108864": "67108864", "max 100000": "max 100000", "": ""} {
		if got := bound(value); got != want {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
}
