package qemu

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
)

// Archive writes the files that a kernel starts with, in cpio's "newc" format.
// https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
type Archive struct {
	w    *bufio.Writer
	at   int
	node int
	dirs map[string]bool
}

// Modes of files.
const (
	modeDir  = 0o040755
	modeFile = 0o100755
	modeLink = 0o120777
)

// NewArchive starts an archive.
func NewArchive(w io.Writer) *Archive {
	return &Archive{w: bufio.NewWriter(w), dirs: map[string]bool{"/": true, ".": true}}
}

// Dir adds a directory, and those above it.
func (a *Archive) Dir(name string) error {
	if a.dirs[name] {
		return nil
	}
	a.dirs[name] = true
	if err := a.Dir(path.Dir(name)); err != nil {
		return err
	}
	return a.entry(name, modeDir, nil)
}

// Link adds a symbolic link.
func (a *Archive) Link(name, to string) error { return a.add(name, modeLink, []byte(to)) }

// Text adds a file of this text.
func (a *Archive) Text(name, text string) error { return a.add(name, modeFile, []byte(text)) }

// File adds a program or another file of this machine.
func (a *Archive) File(name, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return a.add(name, modeFile, b)
}

// Close ends the archive.
func (a *Archive) Close() error {
	if err := a.entry("TRAILER!!!", 0, nil); err != nil {
		return err
	}
	return a.w.Flush()
}

func (a *Archive) add(name string, mode int, b []byte) error {
	if err := a.Dir(path.Dir(name)); err != nil {
		return err
	}
	return a.entry(name, mode, b)
}

// entry writes a header of 13 hexadecimal numbers, the name and the content; both end at a multiple of four bytes.
func (a *Archive) entry(name string, mode int, b []byte) error {
	a.node++
	name = trim(name)
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.node, mode, 0, 0, 1, 0, len(b), 0, 0, 0, 0, len(name)+1, 0)
	if err := a.padded([]byte(header + name + "\x00")); err != nil {
		return err
	}
	return a.padded(b)
}

func trim(name string) string {
	if name[0] == '/' {
		return name[1:]
	}
	return name
}

func (a *Archive) padded(b []byte) error {
	a.at += len(b)
	for a.at%4 != 0 {
		b = append(b, 0)
		a.at++
	}
	_, err := a.w.Write(b)
	return err
}
