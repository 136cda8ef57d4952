package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func (b *builder) path(r recipe, key, extension string) string {
	return filepath.Join(b.cache, r.name+"-"+key+extension)
}

// cached reads what was said of the archive, which is written after it.
func (b *builder) cached(r recipe, key string) (*Archive, error) {
	said, err := os.ReadFile(b.path(r, key, ".json"))
	if err != nil {
		return nil, err
	}
	a := Archive{Path: b.path(r, key, ".tar")}
	if err := json.Unmarshal(said, &a); err != nil {
		return nil, err
	}
	_, err = os.Stat(a.Path)
	return &a, err
}

// prune removes archives that older input made, but for the two newest: another process may be reading one.
func (b *builder) prune(r recipe, key string) error {
	old, err := filepath.Glob(b.path(r, strings.Repeat("?", len(key)), ".tar"))
	if err != nil {
		return err
	}
	made := map[string]time.Time{}
	for _, name := range old {
		if info, err := os.Stat(name); err == nil {
			made[name] = info.ModTime()
		}
	}
	slices.SortFunc(old, func(x, y string) int { return made[y].Compare(made[x]) })
	for _, name := range old[min(3, len(old)):] {
		os.Remove(strings.TrimSuffix(name, ".tar") + ".json")
		os.Remove(name)
	}
	return nil
}

// lock waits until no other process makes images.
func (b *builder) lock(ctx context.Context) error {
	if b.unlock != nil {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(b.cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			b.unlock = func() { f.Close() }
			return b.sweep()
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if !told {
			fmt.Fprintln(b.log, "images: another process makes images, waiting for it")
		}
		select {
		case <-ctx.Done():
			f.Close()
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// sweep removes what a process that was killed had begun: nobody else makes images while this one has the lock.
func (b *builder) sweep() error {
	left, err := filepath.Glob(filepath.Join(b.cache, "making-*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// cacheDir is the user's.
func cacheDir() (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(user, "pillion", "images")
	return dir, os.MkdirAll(dir, 0o755)
}
