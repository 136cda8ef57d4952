package images

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// packaged is an image of what Debian packages: the files that are taken, the libraries they need, and files of ours.
type packaged struct {
	packages []string // the program's first
	version  string   // what the version of the first must begin with, as the image's name says it
	take     []string // files and folders that keep their path, as patterns of path.Match
	leave    []string // what is left out of those folders
	place    []placed
	busybox  bool // has a shell and the small tools, as the image that it stands in for
	add      []file
	config   v1.Config
}

// placed puts the files that match a pattern into a folder of the image; links become what they stand for.
type placed struct {
	from, into string
}

// image unpacks the packages in scratch and assembles.
func (p *packaged) image(ctx context.Context, d *debian, scratch string) (v1.Image, error) {
	packages := p.packages
	if p.busybox {
		packages = append(packages[:len(packages):len(packages)], "busybox-static")
	}
	version, err := d.unpack(ctx, scratch, packages)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(upstream(version), p.version) {
		return nil, fmt.Errorf("package %s: Debian has %s, but the image is named after %s", p.packages[0], version, p.version)
	}
	files, err := p.files(scratch)
	if err != nil {
		return nil, err
	}
	config := p.config
	config.Labels = map[string]string{
		"org.opencontainers.image.title":   p.packages[0],
		"org.opencontainers.image.version": upstream(version),
		"org.opencontainers.image.vendor":  "Debian",
	}
	return assemble(files, config)
}

// upstream cuts what Debian puts around a version.
func upstream(version string) string {
	if _, after, ok := strings.Cut(version, ":"); ok {
		version = after
	}
	version, _, _ = strings.Cut(version, "-")
	version, _, _ = strings.Cut(version, "+")
	return version
}

// files gathers all of the image from what was unpacked.
func (p *packaged) files(root string) ([]file, error) {
	files := slices.Clone(p.add)
	for _, pattern := range p.take {
		taken, err := take(root, pattern, p.leave)
		if err != nil {
			return nil, err
		}
		files = append(files, taken...)
	}
	for _, pl := range p.place {
		placed, err := pl.files(root)
		if err != nil {
			return nil, err
		}
		files = append(files, placed...)
	}
	if p.busybox {
		files = append(files, busybox(root)...)
	}
	var paths []string
	for _, f := range files {
		if f.source != "" {
			paths = append(paths, strings.TrimPrefix(f.source, root))
		}
	}
	needed, err := libraries(root, paths)
	if err != nil {
		return nil, err
	}
	for _, n := range needed {
		f, err := onDisk(root, n)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// take lists what matches pattern below root, folders with all they hold.
func take(root, pattern string, leave []string) ([]file, error) {
	matches, err := filepath.Glob(filepath.Join(root, pattern))
	if err == nil && len(matches) == 0 {
		err = fmt.Errorf("no file %s in the packages", pattern)
	}
	var files []file
	for _, match := range matches {
		err = filepath.WalkDir(match, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			p := strings.TrimPrefix(name, root)
			if matchesAny(p, leave) {
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			f, err := onDisk(root, p)
			files = append(files, f)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, err
}

func matchesAny(p string, patterns []string) bool {
	for _, pattern := range patterns {
		if ok, _ := path.Match(pattern, p); ok {
			return true
		}
	}
	return false
}

// onDisk describes the file at p below root; all are root's.
func onDisk(root, p string) (file, error) {
	name := filepath.Join(root, p)
	info, err := os.Lstat(name)
	if err != nil {
		return file{}, err
	}
	switch {
	case info.IsDir():
		return directory(p, info.Mode().Perm(), 0), nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(name)
		return symlink(p, target), err
	}
	return file{path: p, mode: info.Mode().Perm(), source: name}, nil
}

func (p placed) files(root string) ([]file, error) {
	matches, err := filepath.Glob(filepath.Join(root, p.from))
	if err == nil && len(matches) == 0 {
		err = fmt.Errorf("no file %s in the packages", p.from)
	}
	var files []file
	for _, match := range matches {
		source := strings.TrimPrefix(match, root)
		for { // links of packages may be absolute, and mean root's
			target, err := os.Readlink(filepath.Join(root, source))
			if err != nil {
				break
			}
			source = absolute(source, target)
		}
		f, err := onDisk(root, source)
		if err != nil {
			return nil, err
		}
		f.path = path.Join(p.into, filepath.Base(match))
		files = append(files, f)
	}
	return files, err
}

// busybox is the shell and the tools that someone who looks into a container reaches for.
func busybox(root string) []file {
	files := []file{program("/bin/busybox", filepath.Join(root, "bin", "busybox"))}
	const applets = `[ awk basename cat chmod chown cp cut date dd df dirname du echo env expr false find grep head hostname id
		kill killall ln ls mkdir mktemp mv nc netstat nslookup pgrep pidof printf ps pwd readlink rm sed seq sh sleep sort
		stat tail tar tee test timeout top touch tr true tty uname uniq wc wget which whoami xargs`
	for _, applet := range strings.Fields(applets) {
		files = append(files, symlink("/bin/"+applet, "busybox"))
	}
	return files
}
