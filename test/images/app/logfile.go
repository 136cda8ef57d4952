package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// logFile is written line by line and rotated by renaming, as most programs do.
type logFile struct {
	mu     sync.Mutex
	config logConfig
	out    io.Writer
	file   *os.File // nil for standard output
	size   int64
	number int64
}

// openLog opens what --log-file names.
func (a *app) openLog(stdout io.Writer) error {
	a.lines.config, a.lines.out = a.config.log, io.Discard
	switch a.config.log.file {
	case "":
		return nil
	case "-":
		a.lines.out = stdout
		return nil
	}
	return a.lines.open()
}

func (l *logFile) open() error {
	file, err := os.OpenFile(l.config.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	l.file, l.out, l.size = file, file, info.Size()
	return nil
}

// writeLog writes lines at the rate that was asked for until ctx ends; the channel closes after the last.
func (a *app) writeLog(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	if a.config.log.file == "" || a.config.log.rate == 0 {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		// Many lines at a tick keep a high rate, which a timer for each line would not.
		period := max(time.Duration(float64(time.Second)/a.config.log.rate), 10*time.Millisecond)
		tick := time.NewTicker(period)
		defer tick.Stop()
		began, written := time.Now(), 0.0
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				for due := now.Sub(began).Seconds() * a.config.log.rate; written+1 <= due; written++ {
					a.logLine(a.config.log.text)
				}
			}
		}
	}()
	return done
}

// logLine writes one line; an error is told in the program's own log, and the line's number is then missing in the file.
func (a *app) logLine(text string) {
	if err := a.lines.write(time.Now(), text); err != nil {
		a.log.Error("write log", "error", err)
		return
	}
	a.logged.Add(1)
}

// logNow writes lines on request: ?n=10&text=hello.
func (a *app) logNow(w http.ResponseWriter, r *http.Request) {
	n, ok := number(w, r, "n", 1, 1_000_000)
	if !ok {
		return
	}
	text := r.URL.Query().Get("text")
	if text == "" {
		text = a.config.log.text
	}
	for range n {
		a.logLine(text)
	}
	writeJSON(w, map[string]any{"lines": a.logged.Load()})
}

// write numbers the line, so that a reader can tell a lost line from one that was never written.
func (l *logFile) write(now time.Time, text string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	line := fmt.Sprintf("%s INFO line=%d %s\n", now.UTC().Format("2006-01-02T15:04:05.000Z"), l.number, text)
	if l.file != nil && l.config.rotate > 0 && l.size > 0 && l.size+int64(len(line)) > l.config.rotate {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	n, err := io.WriteString(l.out, line)
	l.size += int64(n)
	return err
}

// rotate renames FILE.1 to FILE.2 and so on, FILE to FILE.1, and begins FILE anew.
func (l *logFile) rotate() error {
	name := func(i int) string {
		if i == 0 {
			return l.config.file
		}
		return fmt.Sprintf("%s.%d", l.config.file, i)
	}
	l.file.Close()
	if l.config.keep <= 0 {
		if err := os.Remove(l.config.file); err != nil {
			return err
		}
	}
	for i := l.config.keep; i > 0; i-- {
		if err := os.Rename(name(i-1), name(i)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return l.open()
}

func (l *logFile) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
}
