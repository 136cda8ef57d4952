package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"

	"github.com/pillion-dev/pillion/manifest"
)

// entryFiles are files of catalog entries, from wherever they come, as one directory: the entries in them are checked with one
// another, and a catalog is a directory. Each has a name there that tells nothing, in the order of the arguments.
type entryFiles struct {
	fstest.MapFS
	// names are those that the user knows, by those in the directory.
	names map[string]string
	// inDirectory are the latter, in order.
	inDirectory []string
}

// read reads what the arguments name.
func (l *linting) read(a *app, args []string) (*entryFiles, error) {
	args = slices.Concat(args, l.files.files)
	if len(args) == 0 {
		if isTerminal(a.In) {
			return nil, usagef("nothing to lint: name a file or directory, or - for standard input")
		}
		args = []string{stdinName}
	}
	if i := slices.Index(args, stdinName); i >= 0 && slices.Contains(args[i+1:], stdinName) {
		return nil, usagef("standard input can be read only once")
	}
	files := &entryFiles{MapFS: fstest.MapFS{}, names: map[string]string{}}
	for _, arg := range args {
		list, err := l.below(arg)
		if err != nil {
			return nil, err
		}
		for _, in := range list {
			if err := files.add(in, a.In); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// below gives the file of that name, or those of a directory that a catalog is read from.
func (l *linting) below(arg string) ([]*input, error) {
	if arg == stdinName {
		return []*input{{name: stdinShown}}, nil
	}
	list, err := l.files.below(arg)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(arg); err != nil || !info.IsDir() {
		return list, unwrapPath(err)
	}
	list = slices.DeleteFunc(list, func(in *input) bool {
		return !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(in.name)) || strings.HasPrefix(filepath.Base(in.name), ".")
	})
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no .yaml or .yml file in this directory", arg)
	}
	return list, nil
}

func (f *entryFiles) add(in *input, stdin io.Reader) error {
	r, err := in.open(stdin)
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return unwrapPath(err)
	}
	name := fmt.Sprintf("pillion-input-%06d.yaml", len(f.inDirectory))
	f.MapFS[name] = &fstest.MapFile{Data: text, Mode: 0o444}
	f.names[name] = filepath.Clean(in.name)
	f.inDirectory = append(f.inDirectory, name)
	return nil
}

// shown gives a text with the names that the user knows.
func (f *entryFiles) shown(text string) string {
	if !strings.Contains(text, "pillion-input-") {
		return text
	}
	for name, known := range f.names {
		text = strings.ReplaceAll(text, name, known)
	}
	return text
}

// entries counts the documents that hold something.
func (f *entryFiles) entries() int {
	n := 0
	for range f.documents() {
		n++
	}
	return n
}

// documents reads each document that can be read; of the others the core says what is wrong.
func (f *entryFiles) documents() func(yield func(file string, d *manifest.Document) bool) {
	return func(yield func(string, *manifest.Document) bool) {
		for _, name := range f.inDirectory {
			r := manifest.NewReader(strings.NewReader(string(f.MapFS[name].Data)), f.names[name])
			for {
				d, err := r.Next()
				if errors.Is(err, io.EOF) || err != nil {
					break
				}
				if text, err := d.JSON(); err != nil || text != nil {
					if !yield(name, d) {
						return
					}
				}
			}
		}
	}
}
