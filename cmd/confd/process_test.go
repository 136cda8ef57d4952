package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the built one.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "confd-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "confd")
	build := exec.Command("nice", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// running is the program at work.
type running struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string // of its server
	done    chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// start runs the program with a configuration, as the catalog's entry does, and waits for its server.
func start(t *testing.T, config string, args ...string) *running {
	t.Helper()
	file := filepath.Join(t.TempDir(), "confd.toml")
	must(t, os.WriteFile(file, []byte(config), 0o600))
	r := &running{t: t, done: make(chan struct{})}
	r.cmd = exec.Command(binary, append([]string{"--config", file, "--listen", "127.0.0.1:0"}, args...)...)
	r.cmd.Env = append(os.Environ(), "GOMEMLIMIT=51MiB")
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := r.cmd.StderrPipe()
	must(t, err)
	must(t, r.cmd.Start())
	started := make(chan string, 1)
	go r.read(stderr, started)
	t.Cleanup(r.stop)
	select {
	case r.address = <-started:
	case <-r.done:
		t.Fatal("the program ended: ", r.said())
	}
	return r
}

// read keeps the log, and tells of the address in it.
func (r *running) read(stderr io.Reader, started chan<- string) {
	defer close(r.done)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		r.mu.Lock()
		r.log.Write(append(lines.Bytes(), '\n'))
		r.mu.Unlock()
		var line struct{ Msg, Listen string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			r.t.Errorf("the log has a line that is not JSON: %s", lines.Text())
		}
		if line.Msg == "start" {
			started <- line.Listen
		}
	}
}

func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// stop ends the program as the kubelet does, and wants it to end well.
func (r *running) stop() {
	if r.cmd.ProcessState != nil {
		return
	}
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	<-r.done
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("after SIGTERM: %v\n%s", err, r.said())
	}
}

func (r *running) get(path string) (int, string) {
	r.t.Helper()
	res, err := http.Get("http://" + r.address + path)
	must(r.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(r.t, err)
	return res.StatusCode, string(b)
}

func (r *running) ready() {
	r.t.Helper()
	eventually(r.t, "ready", func() bool { code, _ := r.get("/-/ready"); return code == http.StatusOK })
}

// metric is the value of a sample, by its name with labels.
func (r *running) metric(name string) float64 {
	r.t.Helper()
	_, text := r.get("/metrics")
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			must(r.t, err)
			return v
		}
	}
	return 0
}

// anonymous is the memory of its own that the program has, in KiB.
func (r *running) anonymous() int {
	r.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	must(r.t, err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			must(r.t, err)
			return n
		}
	}
	r.t.Fatal("no RssAnon")
	return 0
}

// folders makes conf.d and templates with one resource, and gives confdir.
func folders(t *testing.T, resource, template string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"conf.d/one.toml": resource, "templates/one.tmpl": template} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
