package images

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Archive is an image in the cache.
type Archive struct {
	Name   string   `json:"name"`   // what it is asked for by
	Refs   []string `json:"refs"`   // what Pods call it
	Digest string   `json:"digest"` // of the manifest, as containerd shows it
	Path   string   `json:"-"`      // of the OCI archive
}

// List says what Build makes, without making it: an Archive with neither digest nor path for each.
func List() ([]Archive, error) {
	root, err := checkout()
	if err != nil {
		return nil, err
	}
	all, err := recipes(root)
	var out []Archive
	for _, r := range all {
		out = append(out, Archive{Name: r.name, Refs: r.refs})
	}
	return out, err
}

// PutInto makes the archive be at path too, in place of what was there.
func (a *Archive) PutInto(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	partial := path + ".partial"
	os.Remove(partial)
	defer os.Remove(partial)                         // a rename onto another name of the same file does nothing
	if err := os.Link(a.Path, partial); err != nil { // another file system
		if err := copyFile(a.Path, partial); err != nil {
			return err
		}
	}
	return os.Rename(partial, path)
}

func names(rs []recipe) []string {
	var out []string
	for _, r := range rs {
		out = append(out, r.name)
	}
	return out
}

// Build makes sure that the images wanted are in the cache, all where none is named, and says where. Our own are built by
// buildah, which needs root; others need apt-get on Debian the first time. Progress goes to log. Two processes never make
// images at once.
func Build(ctx context.Context, log io.Writer, wanted ...string) ([]Archive, error) {
	root, err := checkout()
	if err != nil {
		return nil, err
	}
	all, err := recipes(root)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(all, wanted)
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	b := newBuilder(root, cache, log)
	defer b.close()
	var out []Archive
	for _, r := range chosen {
		a, err := b.archive(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", r.name, err)
		}
		out = append(out, *a)
	}
	return out, nil
}

func choose(all []recipe, wanted []string) ([]recipe, error) {
	if len(wanted) == 0 {
		return all, nil
	}
	var chosen []recipe
	for _, name := range wanted {
		i := slices.IndexFunc(all, func(r recipe) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("image %q: unknown, there are: %s", name, strings.Join(names(all), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// builder is what the makers of images share during one Build.
type builder struct {
	root, cache string
	log         io.Writer
	debian      *debian
	dockerfile  *dockerfile // made at the first image of ours
	temporary   string
	unlock      func()
}

func newBuilder(root, cache string, log io.Writer) *builder {
	return &builder{root: root, cache: cache, log: log, debian: &debian{dir: filepath.Join(cache, "debian"), log: log}}
}

func (b *builder) close() {
	if b.temporary != "" {
		os.RemoveAll(b.temporary)
	}
	if b.unlock != nil {
		b.unlock()
		b.unlock = nil
	}
}

// archive returns the image from the cache, or makes it.
func (b *builder) archive(ctx context.Context, r recipe) (*Archive, error) {
	key, err := b.key(r)
	if err != nil {
		return nil, err
	}
	if a, err := b.cached(r, key); err == nil {
		return a, nil
	}
	if err := b.lock(ctx); err != nil {
		return nil, err
	}
	if a, err := b.cached(r, key); err == nil {
		return a, nil // another process has made it
	}
	began := time.Now()
	fmt.Fprintf(b.log, "images: %s: making\n", r.name)
	image, err := r.make(ctx, b)
	if err != nil {
		return nil, err
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	a := &Archive{Name: r.name, Refs: r.refs, Digest: digest.String(), Path: b.path(r, key, ".tar")}
	if err := writeFile(a.Path, image, r.refs); err != nil {
		return nil, err
	}
	said, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(b.path(r, key, ".json"), said, 0o644); err != nil {
		return nil, err
	}
	fmt.Fprintf(b.log, "images: %s: made in %.1f s\n", r.name, time.Since(began).Seconds())
	return a, b.prune(r, key)
}

// scratch is an empty folder that lives as long as the builder.
func (b *builder) scratch(name string) (string, error) {
	if b.temporary == "" {
		dir, err := os.MkdirTemp(b.cache, "making-")
		if err != nil {
			return "", err
		}
		b.temporary = dir
	}
	dir := filepath.Join(b.temporary, name)
	return dir, os.Mkdir(dir, 0o755)
}

// checkout finds the repository: where the compiler saw this file or, as that path is cut by -trimpath, above the working
// directory.
func checkout() (string, error) {
	_, self, _, _ := runtime.Caller(0)
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if filepath.IsAbs(self) {
		start = filepath.Dir(self)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "test", "images", "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no test/images/go.mod in %s or above: run inside the repository", start)
		}
	}
}

// nice lets a build give way to what else the machine does.
func nice(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nice", append([]string{"-n", "10", name}, args...)...)
}
