package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// started is an app that runs in this process, with signals of its own.
type started struct {
	url     string
	app     *app
	signals chan os.Signal
	ended   chan error
	stdout  *bytes.Buffer
}

func start(t *testing.T, args ...string) *started {
	t.Helper()
	dir, err := os.MkdirTemp("", "app") // the name of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "sock")
	c, err := parseConfig(append([]string{"--listen", "unix:" + socket}, args...), noEnv, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s := &started{signals: make(chan os.Signal, 8), ended: make(chan error, 1), stdout: &bytes.Buffer{}, url: socket}
	s.app = newApp(c, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { s.ended <- s.app.run(ctx, s.signals, s.stdout) }()
	until(t, "the socket", func() bool { _, err := os.Stat(socket); return err == nil || len(s.ended) > 0 })
	return s
}

func noEnv(string) string { return "" }

// until waits for what is not told otherwise.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// ask sends one request, and returns status and body.
func (s *started) ask(t *testing.T, method, path string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.url)
	}}}
	request, err := http.NewRequest(method, "http://app"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Forwarded-For", "192.0.2.7")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func (s *started) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("does not end")
		return nil
	}
}

func TestEchoShowsWhatTheProxySent(t *testing.T) {
	_, body := start(t).ask(t, http.MethodGet, "/a?b=c")
	var got struct {
		Method, URI string
		Headers     http.Header
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "GET" || got.URI != "/a?b=c" || got.Headers.Get("X-Forwarded-For") != "192.0.2.7" {
		t.Errorf("got %+v", got)
	}
}

func TestHealthIsWhatWasSet(t *testing.T) {
	s := start(t)
	for _, want := range []int{200, 503, 200} {
		if want != 200 || s.app.health.Load() != 200 {
			s.ask(t, http.MethodPut, fmt.Sprintf("/healthz?status=%d", want))
		}
		if got, _ := s.ask(t, http.MethodGet, "/healthz"); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
	if got, body := s.ask(t, http.MethodPut, "/healthz?status=abc"); got != 400 || !strings.Contains(body, "must be 200 to 599") {
		t.Errorf("status %d, body %q", got, body)
	}
}

func TestConfigIsLoadedOnHUP(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	s := start(t, "--config-file", file)
	shown := func() (l loaded) {
		_, body := s.ask(t, http.MethodGet, "/config")
		if err := json.Unmarshal([]byte(body), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	if diff := cmp.Diff(loaded{Content: "one", Generation: 1}, shown()); diff != "" {
		t.Errorf("at the start (-want +got):\n%s", diff)
	}
	write("two")
	if shown().Content != "one" {
		t.Error("loaded without a signal")
	}
	s.signals <- syscall.SIGHUP
	until(t, "the reload", func() bool { return shown() == loaded{Content: "two", Generation: 2} })

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.signals <- syscall.SIGHUP
	until(t, "the error", func() bool { return shown().Error != "" })
	if got := shown(); got.Content != "two" || got.Generation != 2 {
		t.Errorf("after an error: %+v, want what was in force", got)
	}
}

func TestCountersInThreeFormats(t *testing.T) {
	s := start(t)
	s.ask(t, http.MethodGet, "/leak?mb=2")
	s.ask(t, http.MethodGet, "/burn?ms=5")
	for path, wants := range map[string][]string{
		"/metrics":    {"# TYPE app_leaked_bytes gauge\napp_leaked_bytes 2097152\n", "app_burned_milliseconds_total 5\n", "app_active_requests 1\n"},
		"/status":     {`"app_leaked_bytes": 2097152`, `"app_burned_milliseconds_total": 5`},
		"/status.txt": {"Active connections: 1\n"},
	} {
		_, body := s.ask(t, http.MethodGet, path)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q:\n%s", path, want, body)
			}
		}
	}
}

func TestGraceIsServedOn(t *testing.T) {
	s := start(t, "--grace", "1h")
	s.signals <- syscall.SIGTERM
	until(t, "the signal to be taken", func() bool { return len(s.signals) == 0 })
	if got, _ := s.ask(t, http.MethodGet, "/healthz"); got != 200 {
		t.Errorf("status %d during the grace", got)
	}
	if len(s.ended) > 0 {
		t.Error("ended before its grace")
	}
}

func TestEnds(t *testing.T) {
	tests := []struct {
		name string
		args []string
		do   func(*started)
		want error
	}{
		{"told to, with a code", nil, func(s *started) { s.ask(t, http.MethodPost, "/exit?code=3") }, exitError(3)},
		{"told to, with none", nil, func(s *started) { s.ask(t, http.MethodPost, "/exit?code=0") }, nil},
		{"by itself", []string{"--exit-after", "1ms"}, func(*started) {}, nil},
		{"by itself, failed", []string{"--exit-after", "1ms", "--exit-code", "7"}, func(*started) {}, exitError(7)},
		{"on SIGTERM at once", nil, func(s *started) { s.signals <- syscall.SIGTERM }, nil},
		{"on SIGTERM after the grace", []string{"--grace", "1ms"}, func(s *started) { s.signals <- syscall.SIGTERM }, nil},
		{"on SIGINT even during the grace", []string{"--grace", "1h"}, func(s *started) { s.signals <- syscall.SIGTERM; s.signals <- syscall.SIGINT }, exitError(130)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, test.args...)
			test.do(s)
			if err := s.end(t); !errors.Is(err, test.want) {
				t.Errorf("ended with %v, want %v", err, test.want)
			}
		})
	}
}

func TestInspectionSeesItself(t *testing.T) {
	t.Setenv("POD_NAME", "shop-0")
	_, body := start(t).ask(t, http.MethodGet, "/inspect")
	var got inspection
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.PID != os.Getpid() || got.UID != os.Getuid() || got.Env["POD_NAME"] != "shop-0" {
		t.Errorf("pid %d, uid %d, env %v", got.PID, got.UID, got.Env)
	}
	link, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if got.Namespaces["net"] != link {
		t.Errorf("net is %q, want %q", got.Namespaces["net"], link)
	}
	if len(got.Mounts) == 0 || len(got.Cgroup) == 0 || got.Status["CapEff"] == "" {
		t.Errorf("mounts %v, cgroup %v, status %v", got.Mounts, got.Cgroup, got.Status)
	}
	found := false
	for _, p := range got.Processes {
		found = found || p.PID == os.Getpid()
	}
	if !found {
		t.Error("does not see its own process")
	}
}

func TestMounts(t *testing.T) {
	const mountinfo = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\nbroken\n"
	want := []mount{{Path: "/mnt2", Options: "rw,noatime", Type: "ext3", Source: "/dev/root"}}
	if diff := cmp.Diff(want, mounts(mountinfo)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFlagsAndEnvironment(t *testing.T) {
	env := map[string]string{"APP_LISTEN": ":9000", "APP_LOG_RATE": "7", "APP_GRACE": "3s"}
	c, err := parseConfig([]string{"--log-rate", "9"}, func(name string) string { return env[name] }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if c.listen != ":9000" || c.log.rate != 9 || c.grace != 3*time.Second {
		t.Errorf("got %+v", c)
	}
}

func TestMistakesAreTold(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want string
	}{
		{"an argument", []string{"serve", "now"}, nil, `unexpected argument "now"`},
		{"a variable's value", nil, map[string]string{"APP_GRACE": "soon"}, `APP_GRACE="soon"`},
		{"a rate", []string{"--log-rate", "-1"}, nil, "must be 0 to 1000000"},
		{"standard output to rotate", []string{"--log-file", "-", "--log-rotate", "1"}, nil, "no file to rotate"},
		{"an address", []string{"--listen", "nowhere"}, nil, "nowhere"},
		{"a file where the socket would be", []string{"--listen", "unix:/etc/passwd"}, nil, "a file is there that is no socket"},
		{"a signal", []string{"kill", "x", "LOUDLY"}, nil, `signal "LOUDLY": unknown`},
		{"a process", []string{"kill", "no-such-name", "TERM"}, nil, `no process named "no-such-name"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := run(test.args, func(name string) string { return test.env[name] }, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %s", err, test.want)
			}
		})
	}
	for _, args := range [][]string{{"sing"}, {"get"}, {"read"}, {"serve", "--loud"}} {
		if code := exitCode(run(args, noEnv, io.Discard, io.Discard), io.Discard); code != 2 {
			t.Errorf("%q: exit code %d, want 2", args, code)
		}
	}
}
