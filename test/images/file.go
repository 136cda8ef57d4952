package images

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// file is one file of an image. Its bytes are content or, where source is set, those of that file on disk; a link has
// neither.
type file struct {
	path    string // absolute, in the image
	mode    fs.FileMode
	owner   int // of user and group both
	link    string
	content string
	source  string
}

func directory(path string, mode fs.FileMode, owner int) file {
	return file{path: path, mode: fs.ModeDir | mode, owner: owner}
}

func symlink(path, target string) file {
	return file{path: path, mode: fs.ModeSymlink | 0o777, link: target}
}

func text(path, content string) file {
	return file{path: path, mode: 0o644, content: content}
}

func program(path, source string) file {
	return file{path: path, mode: 0o755, source: source}
}

// whole adds the directories that files need and are not among them, and sorts. Two files at one path are an error, as
// which one wins would be left to chance.
func whole(files []file) ([]file, error) {
	seen := map[string]bool{}
	for i, f := range files {
		if f.path != path.Clean(f.path) || !strings.HasPrefix(f.path, "/") || f.path == "/" {
			return nil, fmt.Errorf("file %q of an image: not a clean absolute path", f.path)
		}
		if seen[f.path] {
			return nil, fmt.Errorf("file %s: twice in one image", files[i].path)
		}
		seen[f.path] = true
	}
	all := slices.Clone(files)
	for _, f := range files {
		for dir := path.Dir(f.path); dir != "/" && !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			all = append(all, directory(dir, 0o755, 0))
		}
	}
	slices.SortFunc(all, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	return all, nil
}

// archive writes files as a tar, in their order.
func archive(w io.Writer, files []file) error {
	out := tar.NewWriter(w)
	for _, f := range files {
		if err := f.append(out); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return out.Close()
}

func (f file) append(out *tar.Writer) error {
	header := &tar.Header{
		Name: f.path[1:], Mode: int64(f.mode.Perm()), Uid: f.owner, Gid: f.owner,
		ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
	}
	if f.mode&fs.ModeSticky != 0 {
		header.Mode |= 0o1000
	}
	switch {
	case f.mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
	case f.mode&fs.ModeSymlink != 0:
		header.Typeflag, header.Linkname = tar.TypeSymlink, f.link
	default:
		return f.appendContent(out, header)
	}
	return out.WriteHeader(header)
}

func (f file) appendContent(out *tar.Writer, header *tar.Header) error {
	var from io.Reader = bytes.NewReader([]byte(f.content))
	header.Typeflag, header.Size = tar.TypeReg, int64(len(f.content))
	if f.source != "" {
		opened, err := os.Open(f.source)
		if err != nil {
			return err
		}
		defer opened.Close()
		info, err := opened.Stat()
		if err != nil {
			return err
		}
		from, header.Size = opened, info.Size()
	}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(out, from)
	return err
}
