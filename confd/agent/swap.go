package agent

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pillion-dev/pillion/confd"
)

// defaultMode is that of a file that was not there before.
const defaultMode = fs.FileMode(0o644)

// place is a file to be written, in a directory that nothing leads out of: others may write to a shared volume too, and
// put links there.
type place struct {
	root *os.Root
	name string // below root
	dest string // the whole path, for errors and commands
}

// openPlace finds the place of a file; it has to lie below one of the directories, where there are any.
func openPlace(dest string, directories []string) (*place, error) {
	below := filepath.Dir(dest)
	if len(directories) > 0 {
		below = ""
		for _, d := range directories {
			if confd.Below(filepath.Clean(d), dest) && len(d) > len(below) {
				below = filepath.Clean(d)
			}
		}
		if below == "" {
			return nil, fmt.Errorf("dest: %s lies in none of the directories that confd may write to: %s", dest, strings.Join(directories, ", "))
		}
	}
	root, err := os.OpenRoot(below)
	if err != nil {
		return nil, fmt.Errorf("dest: %w", err)
	}
	name, err := filepath.Rel(below, dest)
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("dest: %w", err)
	}
	return &place{root: root, name: name, dest: dest}, nil
}

func (p *place) close() { _ = p.root.Close() }

// same reports whether the file is there as it should be. Who owns it counts for root only, others cannot change that.
func (p *place) same(content string, r *confd.Resource) (bool, error) {
	info, err := p.root.Lstat(p.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 {
		return false, fmt.Errorf("dest: %s is no file: %s", p.dest, info.Mode())
	}
	if !info.Mode().IsRegular() || info.Size() != int64(len(content)) || r.Mode != nil && info.Mode().Perm() != *r.Mode || !owned(info, r) {
		return false, nil
	}
	f, err := p.root.OpenFile(p.name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, nil // it became something else, or may not be read: replace it
	}
	defer f.Close()
	have := make([]byte, len(content)+1)
	n, _ := f.ReadAt(have, 0)
	return bytes.Equal(have[:n], []byte(content)), nil
}

func owned(info fs.FileInfo, r *confd.Resource) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return true
	}
	uid, gid := owner(r)
	return int(stat.Uid) == uid && int(stat.Gid) == gid
}

func owner(r *confd.Resource) (uid, gid int) {
	uid, gid = os.Geteuid(), os.Getegid()
	if r.UID != nil {
		uid = *r.UID
	}
	if r.GID != nil {
		gid = *r.GID
	}
	return uid, gid
}

// staged is the new file beside the old one, complete and on the disk.
type staged struct {
	place *place
	name  string
}

// path is where commands find it.
func (s *staged) path() string {
	return filepath.Join(filepath.Dir(s.place.dest), filepath.Base(s.name))
}

// stage writes the new file. Its name begins with a dot and does not end as the file's does: no app takes it for its own.
func (p *place) stage(content string, r *confd.Resource) (*staged, error) {
	dir := filepath.Dir(p.name)
	if err := p.root.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &staged{place: p, name: filepath.Join(dir, "."+filepath.Base(p.name)+".confd-"+rand.Text()[:8])}
	f, err := p.root.OpenFile(s.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.fill(f, content, r), f.Close()); err != nil {
		s.drop()
		return nil, err
	}
	return s, nil
}

func (s *staged) fill(f *os.File, content string, r *confd.Resource) error {
	if _, err := f.WriteString(content); err != nil {
		return err
	}
	if uid, gid := owner(r); os.Geteuid() == 0 {
		if err := f.Chown(uid, gid); err != nil {
			return err
		}
	}
	mode := defaultMode
	if r.Mode != nil {
		mode = *r.Mode
	} else if info, err := s.place.root.Lstat(s.place.name); err == nil && info.Mode().IsRegular() {
		mode = info.Mode().Perm()
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	return f.Sync()
}

// swap puts the new file in the old one's place. Whoever reads sees the one or the other, whole.
func (s *staged) swap() error {
	err := s.place.root.Rename(s.name, s.place.name)
	if errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) {
		return fmt.Errorf("%s is mounted by itself and cannot be replaced at one moment: mount its directory", s.place.dest)
	}
	if err != nil {
		return err
	}
	dir, err := s.place.root.Open(filepath.Dir(s.place.name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func (s *staged) drop() { _ = s.place.root.Remove(s.name) }

// clean removes what a program that was killed left of its staging.
func (p *place) clean() {
	dir, err := p.root.Open(filepath.Dir(p.name))
	if err != nil {
		return
	}
	defer dir.Close()
	for entries, err := dir.ReadDir(256); err == nil; entries, err = dir.ReadDir(256) {
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "."+filepath.Base(p.name)+".confd-") && e.Type().IsRegular() {
				_ = p.root.Remove(filepath.Join(filepath.Dir(p.name), e.Name()))
			}
		}
	}
}
