//go:build linux

package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
)

// started is a runner of scripts, in the test's own process.
type started struct {
	*Runner
	dir, socket string
	log         *logged
	stop        func()
}

// logged is a log that is read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, jobs string, scripts map[string]string) *started {
	t.Helper()
	s := &started{dir: t.TempDir(), log: &logged{}}
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.socket = filepath.Join(s.dir, "r.sock")
	config := fmt.Sprintf("listen: 127.0.0.1:0\nsocket: %s\nscripts: %s\ninclude: %s/jobs.yaml\ndirectory: %s\ngrace: 2s\njobs: [%s]\n", s.socket, s.dir, s.dir, s.dir, jobs)
	if err := os.WriteFile(filepath.Join(s.dir, "runner.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	s.Runner, err = New(Options{Config: filepath.Join(s.dir, "runner.yaml"), Reload: 20 * time.Millisecond, Version: "test", Log: slog.New(slog.NewTextHandler(s.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the runner ends with %v", err)
		}
	})
	t.Cleanup(s.stop)
	eventually(t, "the socket is there", func() bool { _, err := os.Stat(s.socket); return err == nil })
	return s
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("it does not come about that %s", what)
}

func (s *started) run(t *testing.T, job string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code, err := Ask(t.Context(), s.socket, job, &stdout, &stderr)
	if err != nil {
		return -1, stdout.String(), err.Error()
	}
	return code, stdout.String(), stderr.String()
}

// shows fails where the metrics lack a line.
func (s *started) shows(t *testing.T, line string) {
	t.Helper()
	all, err := s.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, mf := range all {
		if _, err := expfmt.MetricFamilyToText(&b, mf); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(b.String(), line+"\n") {
		t.Errorf("the metrics lack %s", line)
	}
}

// last is what the socket says of a job.
func (s *started) last(t *testing.T, job string) jobStatus {
	t.Helper()
	var b bytes.Buffer
	if err := Status(t.Context(), s.socket, &b); err != nil {
		t.Fatal(err)
	}
	var st status
	if err := json.Unmarshal(b.Bytes(), &st); err != nil {
		t.Fatal(err)
	}
	for _, j := range st.Jobs {
		if j.Name == job {
			return j
		}
	}
	t.Fatalf("there is no job %s", job)
	return jobStatus{}
}
