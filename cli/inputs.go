package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/manifest"
)

// stdinName stands for standard input in arguments; stdinShown does in messages.
const (
	stdinName  = "-"
	stdinShown = "<stdin>"
)

// inputs says what a command reads.
type inputs struct {
	files     []string
	recursive bool
	namespace string
	// fetch gives inputs of a cluster, which come first; nil for none.
	fetch func() ([]*input, error)
}

func (in *inputs) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVarP(&in.files, "filename", "f", nil, "a file, directory or - (standard input), as an argument is")
	flags.BoolVarP(&in.recursive, "recursive", "R", false, "read the directories below a directory too")
	flags.StringVarP(&in.namespace, "namespace", "n", "default", "the Namespace of objects that name none")
}

// input is one file, or standard input.
type input struct {
	// path to open; empty for standard input.
	path string
	// name in messages.
	name string
	// twice: a regular file, which can be read before it is read.
	twice bool
	// live is the object of a cluster that this is; nil for files.
	live *liveObject
}

// list finds the inputs that the arguments name.
func (in *inputs) list(a *app, args []string) ([]*input, error) {
	args = slices.Concat(args, in.files)
	var found []*input
	if in.fetch != nil {
		var err error
		if found, err = in.fetch(); err != nil || len(args) == 0 {
			return found, err
		}
	}
	if len(args) == 0 {
		if isTerminal(a.In) {
			return nil, usagef("nothing to read: name a file or directory, or - for standard input")
		}
		args = []string{stdinName}
	}
	seen := false
	for _, arg := range args {
		if arg == stdinName {
			if seen {
				return nil, usagef("standard input can be read only once")
			}
			seen = true
			found = append(found, &input{name: stdinShown})
			continue
		}
		files, err := in.below(arg)
		if err != nil {
			return nil, err
		}
		found = append(found, files...)
	}
	return found, nil
}

// below gives the file of that name, or the manifests in the directory.
func (in *inputs) below(path string) ([]*input, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	if !info.IsDir() {
		return []*input{{path: path, name: path, twice: info.Mode().IsRegular()}}, nil
	}
	var found []*input
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != path && !in.recursive {
				return fs.SkipDir
			}
			return nil
		case isManifest(name):
			info, err := os.Stat(name)
			if err != nil || info.IsDir() {
				return err
			}
			found = append(found, &input{path: name, name: name, twice: info.Mode().IsRegular()})
		}
		return nil
	})
	if err != nil {
		return nil, unwrapPath(err)
	}
	if len(found) == 0 {
		err = fmt.Errorf("%s: no .yaml, .yml or .json file in this directory", path)
		if !in.recursive {
			err = fmt.Errorf("%w (-R reads those below it too)", err)
		}
	}
	return found, err
}

func isManifest(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(name)))
}

func (i *input) open(stdin io.Reader) (io.ReadCloser, error) {
	if i.live != nil {
		return io.NopCloser(bytes.NewReader(i.live.text)), nil
	}
	if i.path == "" {
		return io.NopCloser(stdin), nil
	}
	f, err := os.Open(i.path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	return f, nil
}

// unwrapPath leaves the system call out of an error of a file.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}

// document is one document of an input.
type document struct {
	*manifest.Document
	from *input
	// first of its input.
	first bool
}

// documents reads the inputs one after another. The error ends the sequence.
func documents(list []*input, stdin io.Reader) iter.Seq2[*document, error] {
	return func(yield func(*document, error) bool) {
		for _, in := range list {
			if !in.documents(stdin, yield) {
				return
			}
		}
	}
}

func (i *input) documents(stdin io.Reader, yield func(*document, error) bool) bool {
	f, err := i.open(stdin)
	if err != nil {
		yield(nil, err)
		return false
	}
	defer f.Close()
	r := manifest.NewReader(f, i.name)
	for first := true; ; first = false {
		d, err := r.Next()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			yield(nil, err)
			return false
		}
		if !yield(&document{Document: d, from: i, first: first}, nil) {
			return false
		}
	}
}

// scan reads the Namespaces of every input that can be read twice, so that they count wherever they stand. What else is in
// a document, and whether it can be read at all, is found out when its turn comes.
func (n *namespaces) scan(list []*input) error {
	for _, in := range list {
		if !in.twice {
			continue
		}
		for d, err := range documents([]*input{in}, nil) {
			if err != nil {
				return err
			}
			if !bytes.Contains(d.Bytes(), []byte("Namespace")) {
				continue
			}
			objects, err := objectsOf(d)
			if err != nil {
				break
			}
			for _, o := range objects {
				if o.isNamespace() {
					n.add(o)
				}
			}
		}
	}
	return nil
}
