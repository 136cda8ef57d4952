package images

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// libraries finds what the ELF files among paths need to run: their interpreter and, closed under need, their shared
// libraries, all within root. It returns paths below root, links among them; what is in paths already is left out. A
// library that nothing in root provides is an error.
func libraries(root string, paths []string) ([]string, error) {
	c := closure{root: root, seen: map[string]bool{}, names: map[string]bool{}}
	for _, p := range paths {
		c.seen[p], c.names[path.Base(p)] = true, true
	}
	var err error
	if c.dirs, err = libraryDirs(root); err != nil {
		return nil, err
	}
	for queue := paths; len(queue) > 0 && err == nil; {
		next := queue[0]
		var more []string
		more, err = c.needs(next)
		queue = append(queue[1:len(queue):len(queue)], more...)
	}
	slices.Sort(c.found)
	return c.found, err
}

type closure struct {
	root  string
	dirs  []string // where the loader looks, below root
	seen  map[string]bool
	names map[string]bool // file names that the image has: a program may find those by other ways
	found []string
}

// libraryDirs are those of Debian's loader, for the architectures that root has.
func libraryDirs(root string) ([]string, error) {
	var dirs []string
	for _, pattern := range []string{"lib/*-linux-gnu*", "usr/lib/*-linux-gnu*", "lib64"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, dir := range found {
			dirs = append(dirs, dir[len(root):])
		}
	}
	return dirs, nil
}

// needs returns the ELF files to look at after the one at p, and none where that is no ELF file.
func (c *closure) needs(p string) ([]string, error) {
	interpreter, needed, err := readELF(filepath.Join(c.root, p))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	var more []string
	if interpreter != "" {
		more = append(more, c.add(interpreter)...)
	}
	for _, name := range needed {
		if c.names[name] {
			continue
		}
		at := c.find(name)
		if at == "" {
			return nil, fmt.Errorf("%s needs %s, which none of the packages has", p, name)
		}
		more = append(more, c.add(at)...)
	}
	return more, nil
}

func (c *closure) find(name string) string {
	for _, dir := range c.dirs {
		if _, err := os.Lstat(filepath.Join(c.root, dir, name)); err == nil {
			return path.Join(dir, name)
		}
	}
	return ""
}

// add takes a file and, through links, what it stands for; it returns the file at the end when that is new.
func (c *closure) add(p string) []string {
	for {
		if c.seen[p] {
			return nil
		}
		c.seen[p], c.names[path.Base(p)] = true, true
		c.found = append(c.found, p)
		target, err := os.Readlink(filepath.Join(c.root, p))
		if err != nil {
			return []string{p}
		}
		p = absolute(p, target)
	}
}

// absolute is where a link at p leads to.
func absolute(p, target string) string {
	if path.IsAbs(target) {
		return path.Clean(target)
	}
	return path.Join(path.Dir(p), target)
}

// readELF returns nothing for a file that is no ELF file.
func readELF(name string) (interpreter string, needed []string, err error) {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return "", nil, err
	}
	opened, err := os.Open(name)
	if err != nil {
		return "", nil, err
	}
	defer opened.Close()
	magic := make([]byte, len(elf.ELFMAG))
	if n, _ := opened.ReadAt(magic, 0); n < len(magic) || string(magic) != elf.ELFMAG {
		return "", nil, nil
	}
	f, err := elf.NewFile(opened)
	if err != nil {
		return "", nil, err
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return "", nil, err
		}
		interpreter = string(bytes.TrimRight(b, "\x00"))
	}
	needed, err = f.ImportedLibraries()
	return interpreter, needed, err
}
