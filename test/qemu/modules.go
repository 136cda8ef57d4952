package qemu

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Modules are a kernel's modules in the order in which it takes them.
type Modules struct {
	files map[string]string // by name
	// Order lists the paths of the modules' files, each after those that it needs.
	Order []string
	added map[string]bool
}

// NewModules orders modules of a kernel, and those that they need, from the files below dir. Names that the kernel has built in
// are an error.
func NewModules(dir string, names ...string) (*Modules, error) {
	m := &Modules{files: map[string]string{}, added: map[string]bool{}}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok {
			m.files[underscores(name)] = path
		}
		return err
	})
	for _, name := range names {
		if err == nil {
			err = m.add(name)
		}
	}
	return m, err
}

func underscores(name string) string { return strings.ReplaceAll(name, "-", "_") }

func (m *Modules) add(name string) error {
	name = underscores(name)
	if m.added[name] {
		return nil
	}
	m.added[name] = true
	file, ok := m.files[name]
	if !ok {
		return fmt.Errorf("the kernel has no module %s", name)
	}
	needs, err := needsOf(file)
	if err != nil {
		return err
	}
	for _, n := range needs {
		if err := m.add(n); err != nil {
			return err
		}
	}
	m.Order = append(m.Order, file)
	return nil
}

// needsOf reads which modules a module names as those it needs.
func needsOf(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("%s: no module", file)
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for line := range strings.SplitSeq(string(info), "\x00") {
		if names, ok := strings.CutPrefix(line, "depends="); ok && names != "" {
			return strings.Split(names, ","), nil
		}
	}
	return nil, nil
}
