package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/node/redirect"
)

// TestAProfileThatComesLate refuses a Pod until its profile is there.
func TestAProfileThatComesLate(t *testing.T) {
	b := newBed(t, "v2.4.2")
	s := b.sandbox("web", statusOf(`mesh.three "redirect":true`))
	if err := b.run(s); err == nil || !strings.Contains(err.Error(), "does not know the profile yet") {
		t.Fatal(err)
	}
	b.profile("mesh.three", testProfiles["mesh.one"])
	b.await("the Pod can be made", func() error { return b.run(s) })
	if got, want := b.table(s).Hash, b.wants("mesh.one", redirect.Proxy{}, redirect.Active); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestProfilesAreAConfigMap replaces the directory as the kubelet does, by a symbolic link.
func TestProfilesAreAConfigMap(t *testing.T) {
	b := newBed(t, "v2.4.2")
	dir := filepath.Join(b.dir, "map")
	write := func(version, revision string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, version), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "mesh."+revision), []byte(testProfiles["mesh.one"]), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, link := range [][2]string{{version, "..new"}, {filepath.Join("..data", "mesh."+revision), "mesh." + revision}} {
			if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	write("..1", "one")
	p, err := OpenProfiles(dir, b.agent.Log)
	if err != nil {
		t.Fatal(err)
	}
	go p.Watch(t.Context())
	if names, _ := p.Names(); len(names) != 1 || names[0] != "mesh.one" {
		t.Fatalf("%v", names)
	}
	write("..2", "two")
	b.await("the new one is known", func() error { _, err := p.Get("mesh", "two"); return err })
}
