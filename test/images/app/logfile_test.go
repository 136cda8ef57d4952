package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Every line that was written is in the file or in one that it was rotated to, once and in order.
func TestLogIsRotatedWithoutLoss(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.log")
	s := start(t, "--log-file", file, "--log-rate", "0", "--log-rotate", "500", "--log-keep", "20")
	s.ask(t, http.MethodPost, "/log?n=60&text=a+word")
	s.signals <- syscall.SIGTERM
	if err := s.end(t); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i := 20; i >= 0; i-- {
		name := fmt.Sprintf("%s.%d", file, i)
		if i == 0 {
			name = file
		}
		b, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if len(b) > 500 {
			t.Errorf("%s has %d bytes", name, len(b))
		}
		all.Write(b)
	}
	got := strings.Split(strings.TrimSpace(all.String()), "\n")
	if len(got) != 60 {
		t.Fatalf("%d lines in all, want 60", len(got))
	}
	for i, line := range got {
		if want := fmt.Sprintf("INFO line=%d a word", i+1); !strings.HasSuffix(line, want) {
			t.Errorf("line %q, want it to end with %q", line, want)
		}
	}
}

func TestRotatedFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	for keep, want := range map[string]int{"0": 1, "2": 3} {
		file := filepath.Join(dir, "keep-"+keep)
		s := start(t, "--log-file", file, "--log-rate", "0", "--log-rotate", "100", "--log-keep", keep)
		s.ask(t, http.MethodPost, "/log?n=50")
		s.app.lines.Close()
		if files, _ := filepath.Glob(file + "*"); len(files) != want {
			t.Errorf("keeping %s there are %q", keep, files)
		}
	}
}

func TestLogHasItsRate(t *testing.T) {
	s := start(t, "--log-file", "-", "--log-rate", "500")
	until(t, "100 lines", func() bool { return s.app.logged.Load() >= 100 })
	s.signals <- syscall.SIGTERM
	if err := s.end(t); err != nil {
		t.Fatal(err)
	}
	if got := int64(strings.Count(s.stdout.String(), "\n")); got != s.app.logged.Load() {
		t.Errorf("%d lines on standard output, counted %d", got, s.app.logged.Load())
	}
}
