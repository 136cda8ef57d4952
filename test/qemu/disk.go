package qemu

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Zeros makes a file of size bytes to be a disk without a file system. It takes no space.
func Zeros(path string, size int64) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

// Ext4 makes a disk of size bytes with the files of a tree.
func Ext4(ctx context.Context, path string, size int64, tree Tree) error {
	if err := Zeros(path, size); err != nil {
		return err
	}
	_, err := output(ctx, "", "mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0,lazy_itable_init=1", "-m", "0",
		"-d", string(tree), path, strconv.FormatInt(size>>10, 10)+"k")
	return err
}

// Tree is a directory whose files become a disk's. Large ones are links to where they are, where that is possible.
type Tree string

// Dir adds a directory, and those above it.
func (t Tree) Dir(name string) error { return os.MkdirAll(t.at(name), 0o755) }

// Link adds a symbolic link.
func (t Tree) Link(name, to string) error {
	if err := t.Dir(filepath.Dir(name)); err != nil {
		return err
	}
	return os.Symlink(to, t.at(name))
}

// Text adds a file of this text.
func (t Tree) Text(name, text string) error {
	if err := t.Dir(filepath.Dir(name)); err != nil {
		return err
	}
	return os.WriteFile(t.at(name), []byte(text), 0o755)
}

// File adds a program or another file of this machine.
func (t Tree) File(name, from string) error {
	if err := t.Dir(filepath.Dir(name)); err != nil {
		return err
	}
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	if os.Link(from, t.at(name)) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(t.at(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// All adds the files below a directory of this machine.
func All(name, from string) Put {
	return func(f Files) error {
		return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			below, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			return f.File(filepath.Join(name, below), path)
		})
	}
}

func (t Tree) at(name string) string { return filepath.Join(string(t), name) }
