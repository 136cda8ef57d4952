package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Profiles are the profiles in a directory: a file <entry>.<revision> for each, as a ConfigMap is mounted.
type Profiles struct {
	dir string
	log *slog.Logger
	// known is replaced whole.
	known atomic.Pointer[profileSet]
	// changed is called after every reading that found others.
	changed func()
}

// profileSet is what one reading found.
type profileSet struct {
	profiles map[string]*Profile
	// broken are files that are no profile, and why.
	broken map[string]error
	texts  map[string]string
	// asOf is when the directory was last written; zero where there is none.
	asOf time.Time
}

// OpenProfiles reads the directory once; one that is not there yet is as an empty one.
func OpenProfiles(dir string, log *slog.Logger) (*Profiles, error) {
	p := &Profiles{dir: dir, log: log, changed: func() {}}
	p.known.Store(&profileSet{})
	return p, p.read()
}

// Get gives a profile, or ErrNoProfile, or what is wrong with it.
func (p *Profiles) Get(name, revision string) (*Profile, error) {
	key := name + "." + revision
	known := p.known.Load()
	if err := known.broken[key]; err != nil {
		return nil, fmt.Errorf("profile %s: %w", key, err)
	}
	if profile := known.profiles[key]; profile != nil {
		return profile, nil
	}
	return nil, fmt.Errorf("profile %s: %w", key, ErrNoProfile)
}

// Names lists the profiles, sorted, and how many files are none.
func (p *Profiles) Names() (names []string, broken int) {
	known := p.known.Load()
	return slices.Sorted(maps.Keys(known.profiles)), len(known.broken)
}

// AsOf is when the profiles were last written into the directory; zero where it is not there.
func (p *Profiles) AsOf() time.Time { return p.known.Load().asOf }

// rereadEvery bounds how long a change is missed where the file system does not tell.
const rereadEvery = 10 * time.Second

// Watch reads again whenever the directory changes, until the context ends.
func (p *Profiles) Watch(ctx context.Context) {
	events := make(<-chan fsnotify.Event)
	if w, err := fsnotify.NewWatcher(); err == nil {
		defer w.Close()
		if err := w.Add(p.dir); err == nil {
			events = w.Events
		}
	}
	tick := time.NewTicker(rereadEvery)
	defer tick.Stop()
	for {
		if err := p.read(); err != nil {
			p.log.Error("profiles", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-events:
		case <-tick.C:
		}
	}
}

// maxProfile is the size of a profile, in bytes, beyond which it is not read.
const maxProfile = 64 << 10

func (p *Profiles) read() error {
	files, err := os.ReadDir(p.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("profiles: %w", err)
	}
	now, was := &profileSet{profiles: map[string]*Profile{}, broken: map[string]error{}, texts: map[string]string{}}, p.known.Load()
	if info, err := os.Stat(p.dir); err == nil {
		now.asOf = info.ModTime()
	}
	for _, f := range files {
		name := f.Name()
		if name[0] == '.' {
			continue // a ConfigMap's own
		}
		text, err := readProfile(filepath.Join(p.dir, name))
		now.texts[name] = string(text)
		if profile := was.profiles[name]; err == nil && profile != nil && was.texts[name] == string(text) {
			now.profiles[name] = profile
			continue
		}
		if err == nil {
			now.profiles[name], err = ParseProfile(text)
		}
		if err != nil {
			delete(now.profiles, name)
			now.broken[name] = err
			p.log.Error("profile", "name", name, "error", err)
		}
	}
	p.known.Store(now)
	if !maps.Equal(was.texts, now.texts) {
		p.changed()
	}
	return nil
}

func readProfile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxProfile {
		return nil, fmt.Errorf("want a file of at most %d bytes", maxProfile)
	}
	return os.ReadFile(path)
}

// ProfileKey is the name under which the profile of an entry's revision is kept.
func ProfileKey(s *v1alpha1.InjectedSidecar) string { return s.Name + "." + s.Revision }
