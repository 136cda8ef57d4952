package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/pillion-dev/pillion/confd"
)

// app is a process that counts signals in a file.
type app struct {
	t   *testing.T
	cmd *exec.Cmd
	got string // a line for each signal
}

// appScript counts HUP and USR1 and has a child of the same name, as a master has workers.
const appScript = `trap 'echo HUP >> "$0.got"' HUP; trap 'echo USR1 >> "$0.got"' USR1; : > "$0.up"; while :; do sleep 0.02; done`

func startApp(t *testing.T, name, script string) *app {
	t.Helper()
	a := &app{t: t, got: filepath.Join(t.TempDir(), name)}
	// The script's name for itself is a path in the folder; the process is called as its program is said to be.
	a.cmd = exec.Command("/bin/sh", "-c", script, a.got)
	a.cmd.Args[0] = "/usr/sbin/" + name
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.stop)
	return a
}

func (a *app) stop() {
	_ = syscall.Kill(-a.cmd.Process.Pid, syscall.SIGKILL)
	_ = a.cmd.Wait()
}

func (a *app) signals() []string {
	b, _ := os.ReadFile(a.got + ".got")
	return strings.Fields(string(b))
}

// aged waits until the process is old enough to be signalled.
func (a *app) aged() {
	a.t.Helper()
	eventually(a.t, "the app is up", func() bool {
		p, err := readProcess("/proc", a.cmd.Process.Pid)
		_, up := os.Stat(a.got + ".up")
		return err == nil && up == nil && sinceBoot()-p.started > minAge
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func value(t *testing.T, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

func testReloader(interval time.Duration) *reloader {
	return newReloader(interval, slog.New(slog.DiscardHandler), NewMetrics())
}

// idle waits until nothing is owed to any app.
func (r *reloader) idle(t *testing.T) {
	t.Helper()
	eventually(t, "no reload is pending", func() bool { return value(t, r.metrics.pending) == 0 })
}

func (r *reloader) count(t *testing.T, kind, result string) float64 {
	return value(t, r.metrics.reloads.WithLabelValues(kind, result))
}

func TestSignalGoesToTheTopmostProcessOfAName(t *testing.T) {
	name := fmt.Sprint("front-with-a-long-name-", os.Getpid())
	a := startApp(t, name, `(trap 'echo CHILD >> "$0.got"' HUP; while :; do sleep 0.02; done) & `+appScript)
	other := startApp(t, name+"x", appScript)
	a.aged()
	other.aged()
	top, err := topmost("/proc", name)
	if err != nil || len(top) != 1 || top[0].pid != a.cmd.Process.Pid {
		t.Fatalf("topmost gives %v, %v; want pid %d", top, err, a.cmd.Process.Pid)
	}
	if sent, err := signalProcess(name, "SIGHUP", "/nothing", sinceBoot()); sent != 1 || err != nil {
		t.Errorf("%d signals, %v", sent, err)
	}
	eventually(t, "the signal arrives", func() bool { return strings.Join(a.signals(), " ") == "HUP" })
	if len(other.signals()) != 0 {
		t.Error("a process of another name got a signal")
	}
}

func TestOfSeveralOnlyThoseThatSeeTheFileAreSignalled(t *testing.T) {
	name := fmt.Sprint("several-", os.Getpid())
	a, b := startApp(t, name, appScript), startApp(t, name, appScript)
	a.aged()
	b.aged()
	dest := filepath.Join(t.TempDir(), "a.conf")
	if err := os.WriteFile(dest, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A /proc in which only the first has the file: b's root is another.
	proc := t.TempDir()
	for pid, root := range map[int]string{a.cmd.Process.Pid: "/", b.cmd.Process.Pid: t.TempDir()} {
		dir := filepath.Join(proc, fmt.Sprint(pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(root, filepath.Join(dir, "root")); err != nil {
			t.Fatal(err)
		}
	}
	top, err := topmost("/proc", name)
	if err != nil || len(top) != 2 {
		t.Fatalf("topmost gives %v, %v", top, err)
	}
	if see := readers(proc, top, dest); len(see) != 1 || see[0].pid != a.cmd.Process.Pid {
		t.Errorf("those who see the file are %v", see)
	}
}

func TestNoSignalIsSentThatWouldEndTheProcess(t *testing.T) {
	name := fmt.Sprint("deaf-", os.Getpid())
	a := startApp(t, name, `: > "$0.up"; while :; do sleep 0.02; done`)
	a.aged()
	_, err := signalProcess(name, "SIGHUP", "/nothing", sinceBoot())
	if want := fmt.Sprintf("SIGHUP to %s (pid %d): does not handle the signal", name, a.cmd.Process.Pid); err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
	if err := a.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Error("the process ended:", err)
	}
	if sent, err := signalProcess(name, "SIGTERM", "/nothing", sinceBoot()); sent != 1 || err != nil {
		t.Errorf("SIGTERM, which is meant to end it: %d, %v", sent, err)
	}
	if state, _ := a.cmd.Process.Wait(); state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended by %v", state)
	}
}

func TestProcessThatStartedAfterTheChangeNeedsNoSignal(t *testing.T) {
	name := fmt.Sprint("late-", os.Getpid())
	swapped := sinceBoot() - 2*clockTick
	time.Sleep(3 * clockTick)
	a := startApp(t, name, appScript)
	a.aged()
	if sent, err := signalProcess(name, "SIGHUP", "/nothing", swapped); sent != 0 || err != nil {
		t.Errorf("%d signals, %v", sent, err)
	}
}

// TestReloadStormIsCoalesced asks for far more reloads than fit in the interval; the last change has to be in the last.
func TestReloadStormIsCoalesced(t *testing.T) {
	const storm = 1000
	r := testReloader(200 * time.Millisecond)
	var changes, calls, seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost {
			t.Error("the method is", req.Method)
		}
		calls.Add(1)
		seen.Store(changes.Load())
	}))
	defer server.Close()
	began := time.Now()
	for range storm {
		changes.Add(1)
		r.request(t.Context(), confd.Reload{URL: server.URL}, change{})
		time.Sleep(100 * time.Microsecond)
	}
	r.idle(t)
	most := int64(time.Since(began)/(200*time.Millisecond)) + 2
	if calls.Load() > most || calls.Load() < 2 || seen.Load() != storm {
		t.Errorf("%d reloads, the last saw change %d of %d: want at most %d, the last to see all", calls.Load(), seen.Load(), storm, most)
	}
	if sum := r.count(t, "http", "done") + value(t, r.metrics.coalesced); sum != storm {
		t.Errorf("%v changes are counted, want %d", sum, storm)
	}
	t.Logf("%d changes, %d reloads in %s", storm, calls.Load(), time.Since(began).Round(time.Millisecond))
}

func TestReloadByHTTPIsTriedUntilItSucceeds(t *testing.T) {
	r := testReloader(time.Millisecond)
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	r.request(t.Context(), confd.Reload{URL: server.URL}, change{})
	r.idle(t)
	if calls.Load() != 3 || r.count(t, "http", "failed") != 2 || r.count(t, "http", "done") != 1 {
		t.Errorf("%d calls", calls.Load())
	}
}

func TestTargetThatIsNotThereIsWaitedFor(t *testing.T) {
	name := fmt.Sprint("absent-", os.Getpid())
	r := testReloader(time.Millisecond)
	how := confd.Reload{Process: name, Signal: "SIGHUP"}
	r.request(t.Context(), how, change{swapped: sinceBoot()})
	eventually(t, "an attempt finds nobody", func() bool { return r.count(t, "signal", "waiting") > 1 })
	time.Sleep(3 * clockTick)
	a := startApp(t, name, appScript)
	r.idle(t) // it started after the change
	if r.count(t, "signal", "unneeded") != 1 || len(a.signals()) != 0 {
		t.Errorf("the app, which has read the new file, got %q", a.signals())
	}
	r.request(t.Context(), how, change{swapped: sinceBoot()})
	eventually(t, "the next change reaches it", func() bool { return strings.Join(a.signals(), " ") == "HUP" })
	r.idle(t)
}

func TestCommandReloads(t *testing.T) {
	r := testReloader(time.Millisecond)
	out := filepath.Join(t.TempDir(), "out")
	r.request(t.Context(), confd.Reload{Command: "echo {{.dest}} > " + out}, change{dest: "/run/a.conf"})
	r.idle(t)
	if got := read(t, out); got != "/run/a.conf\n" {
		t.Errorf("the command wrote %q", got)
	}
}

func TestCommandsEndInTime(t *testing.T) {
	began := time.Now()
	err := runCommand(t.Context(), "echo half; sleep 100 & sleep 100", 100*time.Millisecond, nil)
	if err == nil || err.Error() != `"echo half; sleep 100 & sleep 100" took longer than 100ms: half` {
		t.Errorf("the error is %v", err)
	}
	if time.Since(began) > 50*time.Second {
		t.Error("the command was waited for")
	}
	err = runCommand(t.Context(), "yes no | head -c 100000; exit 3", 0, nil)
	if err == nil || !strings.Contains(err.Error(), "exit status 3: ") || len(err.Error()) > 2*maxOutput {
		t.Errorf("the error has %d bytes: %.200s", len(fmt.Sprint(err)), err)
	}
	if err := runCommand(t.Context(), "true {{.nothing}}", 0, map[string]string{"src": "x"}); err == nil {
		t.Error("a command with a hole for what there is not is run")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runCommand(ctx, "true", 0, nil); err == nil {
		t.Error("a command is run after the end")
	}
}
