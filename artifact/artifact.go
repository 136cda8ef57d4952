// Package artifact copies files out of an image onto a volume, so that an app and the program that runs it can be released
// apart: a WAR and its Tomcat, a site and its web server. It is the work of an init container.
//
// Nothing of the image is run. The program that copies is a static one, which is put into a container of that image or sees
// the image as a volume; an image without a shell, or without anything but the files, will do.
package artifact

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Item is one thing to copy: a file, or a directory with all that is in it.
type Item struct {
	// From is its absolute path in the image.
	From string
	// To is its path below the target; empty keeps the name, and "." puts a directory's content there.
	To string
}

// Copy is what is copied.
type Copy struct {
	// Image is the directory that holds the image's files: / in a container of it.
	Image string
	// Target is the directory to copy to, which is there.
	Target string
	// Limit in bytes; 0 is none.
	Limit int64
	Items []Item
}

// Copied counts what was done.
type Copied struct {
	Files int
	Bytes int64
}

// ParseItem reads FROM or FROM=TO.
func ParseItem(text string) (Item, error) {
	from, to, _ := strings.Cut(text, "=")
	item := Item{from, to}
	if !path.IsAbs(from) || path.Clean(from) != from {
		return item, fmt.Errorf("%q: the path in the image must be absolute and clean", from)
	}
	if to != "" && !filepath.IsLocal(to) {
		return item, fmt.Errorf("%q: the path below the target must be relative, and stay below it", to)
	}
	return item, nil
}

// maxFiles bounds a copy in files and directories.
const maxFiles = 200_000

// Do copies every item. A file appears under its name when it is whole; one that was there is replaced. Links are followed
// nowhere out of the image, nor out of the target, which others may write to.
func (c *Copy) Do() (*Copied, error) {
	image, err := os.OpenRoot(c.Image)
	if err != nil {
		return nil, err
	}
	defer func() { _ = image.Close() }() // it was only read
	target, err := os.OpenRoot(c.Target)
	if err != nil {
		return nil, err
	}
	defer func() { _ = target.Close() }() // a directory: its files were closed
	w := &work{copy: c, image: image, target: target}
	for _, item := range c.Items {
		if err := w.item(item); err != nil {
			return nil, fmt.Errorf("copy %s: %w", item.From, explain(err))
		}
	}
	return &w.done, nil
}

// explain says what to do about a mistake that is not the image's.
func explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: is it where the image has it?", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: the copy runs as user %d", err, os.Getuid())
	}
	return err
}

type work struct {
	copy          *Copy
	image, target *os.Root
	done          Copied
}

func (w *work) item(item Item) error {
	from := strings.TrimPrefix(item.From, "/")
	if from == "" {
		from = "."
	}
	to := item.To
	if to == "" {
		to = path.Base(from)
	}
	info, err := w.image.Stat(from) // the item itself may be a link
	if err != nil {
		return err
	}
	if dir := path.Dir(to); dir != "." {
		if err := w.target.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if !info.IsDir() {
		return w.file(from, to, info)
	}
	return w.directory(from, to)
}

func (w *work) directory(from, to string) error {
	if err := w.count(); err != nil {
		return err
	}
	if to != "." {
		if err := w.target.MkdirAll(to, 0o755); err != nil {
			return err
		}
	}
	dir, err := w.image.Open(from)
	if err != nil {
		return err
	}
	entries, err := dir.ReadDir(-1)
	dir.Close()
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if err := w.entry(path.Join(from, e.Name()), path.Join(to, e.Name()), e); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) entry(from, to string, e fs.DirEntry) error {
	switch {
	case e.IsDir():
		return w.directory(from, to)
	case e.Type() == fs.ModeSymlink:
		return w.link(from, to)
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	return w.file(from, to, info)
}

// link makes a link of its own where it stays below the directory that is copied.
func (w *work) link(from, to string) error {
	if err := w.count(); err != nil {
		return err
	}
	points, err := w.image.Readlink(from)
	if err != nil {
		return err
	}
	if path.IsAbs(points) || !filepath.IsLocal(path.Join(path.Dir(to), points)) {
		return fmt.Errorf("%s is a link to %s, which leads out of what is copied", from, points)
	}
	if err := w.target.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return w.target.Symlink(points, to)
}

func (w *work) file(from, to string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file, a directory nor a link", from)
	}
	if err := w.count(); err != nil {
		return err
	}
	if w.copy.Limit > 0 && w.done.Bytes+info.Size() > w.copy.Limit {
		return fmt.Errorf("%s has %d bytes: with the %d before it that is more than the limit of %d", from, info.Size(), w.done.Bytes, w.copy.Limit)
	}
	in, err := w.image.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	part := path.Join(path.Dir(to), "."+path.Base(to)+".part")
	if err := w.target.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a copy that was cut short
		return err
	}
	out, err := w.target.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, in)
	w.done.Bytes += n
	// The app's user, who need not be ours, reads it, and runs it where the image's owner may.
	mode := fs.FileMode(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	if err := errors.Join(err, out.Chmod(mode), out.Close()); err != nil {
		_ = w.target.Remove(part) // the first mistake is told
		return err
	}
	return w.target.Rename(part, to)
}

func (w *work) count() error {
	if w.done.Files++; w.done.Files > maxFiles {
		return fmt.Errorf("more than %d files", maxFiles)
	}
	return nil
}

// Install copies the running program to a directory that other containers of the Pod mount.
func Install(directory string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = (&Copy{Image: filepath.Dir(self), Target: directory, Items: []Item{{From: "/" + filepath.Base(self)}}}).Do()
	return err
}
