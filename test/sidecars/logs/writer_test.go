package logs

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// app writes numbered lines to one file, and rotates it.
type app struct {
	t    *testing.T
	path string
	file *os.File
	next int // number of the next line
}

func newApp(s *shipper) *app {
	a := &app{t: s.t, path: filepath.Join(s.logs(), "app.log"), next: 1}
	a.open()
	s.t.Cleanup(func() { a.file.Close() })
	return a
}

func (a *app) open() {
	a.t.Helper()
	var err error
	if a.file, err = os.OpenFile(a.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// write writes n lines.
func (a *app) write(n int) {
	a.t.Helper()
	w := bufio.NewWriter(a.file)
	for range n {
		fmt.Fprintf(w, "2026-01-02T03:04:05.678Z INFO line=%d the customer has put another book into the basket\n", a.next)
		a.next++
	}
	if err := w.Flush(); err != nil {
		a.t.Fatal(err)
	}
}

// rename rotates as most programs do: the file gets another name, and a new one is begun.
func (a *app) rename(generation int) {
	a.t.Helper()
	if err := os.Rename(a.path, fmt.Sprintf("%s.%d", a.path, generation)); err != nil {
		a.t.Fatal(err)
	}
	a.file.Close()
	a.open()
}

// copyAndTruncate rotates as logrotate does for programs that keep their file open.
func (a *app) copyAndTruncate(generation int) {
	a.t.Helper()
	content, err := os.ReadFile(a.path)
	if err == nil {
		err = os.WriteFile(fmt.Sprintf("%s.%d", a.path, generation), content, 0o644)
	}
	if err == nil {
		err = a.file.Truncate(0)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}
