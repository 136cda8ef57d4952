package qemu

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Files are what a machine has: those that its kernel starts with (Archive), or its disk's (Tree).
type Files interface {
	// Dir adds a directory, and those above it.
	Dir(name string) error
	// Link adds a symbolic link.
	Link(name, to string) error
	// Text adds a file of this text.
	Text(name, text string) error
	// File adds a program or another file of this machine.
	File(name, from string) error
}

// Put adds some files.
type Put func(Files) error

// Copies are files of this machine, by their path in the emulated one.
func Copies(files map[string]string) Put {
	return func(f Files) error {
		var err error
		for name, from := range files {
			err = errors.Join(err, f.File(name, from))
		}
		return err
	}
}

// Busybox is a shell and these programs, below each of roots.
func Busybox(packages string, names []string, roots ...string) Put {
	return func(f Files) error {
		var err error
		for _, root := range roots {
			err = errors.Join(err, f.File(root+"/bin/busybox", filepath.Join(packages, "root/bin/busybox")))
			for _, name := range names {
				err = errors.Join(err, f.Link(root+"/bin/"+name, "busybox"))
			}
		}
		return err
	}
}

// Linked are programs of this machine, each with the libraries that it is linked with.
func Linked(ctx context.Context, names ...string) Put {
	return func(f Files) error {
		libraries := map[string]string{}
		for _, name := range names {
			at, err := exec.LookPath(name)
			if err != nil {
				return fmt.Errorf("%w (hack/setup.sh installs it)", err)
			}
			if err := f.File("/bin/"+name, at); err != nil {
				return err
			}
			text, err := output(ctx, "", "ldd", at)
			if err != nil {
				return err
			}
			for _, word := range strings.Fields(text) {
				if filepath.IsAbs(word) {
					libraries[word] = word
				}
			}
		}
		return Copies(libraries)(f)
	}
}
