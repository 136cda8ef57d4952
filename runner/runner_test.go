//go:build linux

package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
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

func TestScriptsOfEveryKindAreRun(t *testing.T) {
	shell, err := os.ReadFile("/bin/echo") // a program in place of a script
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, "{name: plain}, {name: first-line}, {name: argument}, {name: program, args: [hello, you]}, {name: fails}, {name: killed}, {name: absent}, {name: no-interpreter}, {name: relative}", map[string]string{
		"plain":          "echo $PILLION_JOB $PILLION_TRIGGER; pwd",
		"first-line":     "#!/bin/sh\necho one; echo two >&2",
		"argument":       "#! /bin/sh -e\nfalse\necho not here",
		"program":        string(shell),
		"fails":          "exit 42",
		"killed":         "kill -SEGV $$",
		"no-interpreter": "#!/does/not/exist\n",
		"relative":       "#!sh\n",
	})
	if err := os.Chmod(filepath.Join(s.dir, "program"), 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		job    string
		code   int
		stdout string
		stderr string
		result string
	}{
		{"plain", 0, "plain demand\n" + s.dir + "\n", "", succeeded},
		{"argument", 1, "", "", failed},
		{"program", 0, "hello you\n", "", succeeded},
		{"fails", 42, "", "", failed},
		{"killed", 139, "", "killed: failed: ended by segmentation fault\n", failed},
		{"absent", 127, "", "absent: not-started: open " + s.dir + "/absent: no such file or directory\n", notStarted},
		{"no-interpreter", 127, "", "no-interpreter: not-started: fork/exec /does/not/exist: no such file or directory\n", notStarted},
		{"relative", 127, "", "relative: not-started: relative: its first line names no program by an absolute path\n", notStarted},
	}
	for _, test := range tests {
		code, stdout, stderr := s.run(t, test.job)
		if code != test.code || stdout != test.stdout || stderr != test.stderr {
			t.Errorf("%s: %d %q %q", test.job, code, stdout, stderr)
		}
		if last := s.last(t, test.job).Last; last.Result != test.result || last.ExitCode != test.code || last.Number != 1 {
			t.Errorf("%s: %+v", test.job, last)
		}
		s.shows(t, fmt.Sprintf("runner_runs_total{job=%q,result=%q} 1", test.job, test.result))
		s.shows(t, fmt.Sprintf("runner_last_exit_code{job=%q} %d", test.job, test.code))
	}
	s.run(t, "first-line")
	for _, line := range []string{`msg=one job=first-line run=1 stream=stdout`, `msg=two job=first-line run=1 stream=stderr`, `msg="the script ended" job=fails run=1 result=failed exitCode=42`} {
		if !strings.Contains(s.log.String(), line) {
			t.Errorf("the log lacks %s", line)
		}
	}
	if code, _, said := s.run(t, "nope"); code != -1 || !strings.HasPrefix(said, "no such job; there are: plain, first-line,") {
		t.Errorf("an unknown job: %d %s", code, said)
	}
}

// TestNothingOfARunIsLeft ends scripts that leave processes behind, in the group and out of it, and looks for them.
func TestNothingOfARunIsLeft(t *testing.T) {
	const left = "sleep 1234 & setsid sleep 1234 & (setsid sh -c 'trap \"\" TERM; sleep 1234' &)\n"
	s := start(t, "{name: ends}, {name: stays, timeout: 1s}, {name: deaf, timeout: 1s}", map[string]string{
		"ends":  left + "true",
		"stays": left + "sleep 1234",
		"deaf":  "trap '' TERM\n" + left + "while true; do sleep 1234; done",
	})
	for job, code := range map[string]int{"ends": 0, "stays": 143, "deaf": 137} {
		got, _, said := s.run(t, job)
		if got != code {
			t.Errorf("%s: exit code %d, want %d", job, got, code)
		}
		if timeout := strings.Contains(said, "took longer than its timeout"); timeout != (code != 0) {
			t.Errorf("%s: %s", job, said)
		}
		for _, p := range processes() {
			if p.has(fmt.Sprintf("%s=%s/%d/1", markVariable, job, os.Getpid())) {
				t.Errorf("%s: process %d is left", job, p.pid)
			}
			if p.ended && p.parent == os.Getpid() {
				t.Errorf("%s: process %d is a zombie", job, p.pid)
			}
		}
	}
}

// TestManyRunsAtOnceKeepTheirExitStatus has orphans end in between, which the runner reaps and os/exec must not miss.
func TestManyRunsAtOnceKeepTheirExitStatus(t *testing.T) {
	var jobs []string
	scripts := map[string]string{}
	for i := range 20 {
		jobs = append(jobs, fmt.Sprintf("{name: j%d}", i))
		scripts[fmt.Sprintf("j%d", i)] = fmt.Sprintf("for i in 1 2 3 4 5; do (true &); (setsid true &); done\nexit %d", i)
	}
	s := start(t, strings.Join(jobs, ", "), scripts)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for range 3 {
				if code, _, said := s.run(t, fmt.Sprintf("j%d", i)); code != i {
					t.Errorf("exit code %d, want %d: %s", code, i, said)
				}
			}
		})
	}
	all.Wait()
	s.stop()
	s.reaper.reap()
	for _, p := range processes() {
		if p.ended && p.parent == os.Getpid() {
			t.Errorf("process %d is a zombie", p.pid)
		}
	}
}

func TestARunInTheWayForbidsOrQueues(t *testing.T) {
	s := start(t, "{name: one, script: wait}, {name: more, script: wait, concurrency: queue}", map[string]string{
		"wait": "echo began >> began-$PILLION_JOB; while [ ! -e go ]; do sleep 0.02; done",
	})
	began := func(job string, n int) func() bool {
		return func() bool {
			b, _ := os.ReadFile(filepath.Join(s.dir, "began-"+job))
			return bytes.Count(b, []byte("began")) == n
		}
	}
	first, err := s.ask("one", byDemand)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs", began("one", 1))
	if code, _, said := s.run(t, "one"); code != -1 || said != "one: is running already, and its concurrency is forbid" {
		t.Errorf("forbidden: %d %s", code, said)
	}
	var tickets []*ticket
	for range maxWaiting + 1 {
		ticket, err := s.ask("more", byDemand)
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	if _, err := s.ask("more", byDemand); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
	if _, err := s.ask("more", bySchedule); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
	if n := s.last(t, "more").Waiting; n != maxWaiting {
		t.Errorf("%d wait", n)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, ticket := range append(tickets, first) {
		<-ticket.done
		if want := i + 1; i < len(tickets) && ticket.run.Number != want || ticket.run.Result != succeeded {
			t.Errorf("%d: %+v", i, ticket.run)
		}
	}
	if !began("more", maxWaiting+1)() {
		t.Error("not every run that waited was made")
	}
	s.shows(t, `runner_skipped_total{job="more"} 2`)
}

func TestTheEndEndsRunsAndThoseThatWait(t *testing.T) {
	s := start(t, "{name: long, concurrency: queue}", map[string]string{"long": "trap 'echo ended > ended; exit 5' TERM; echo > began; while true; do sleep 0.02; done"})
	running, err := s.ask("long", byDemand)
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := s.ask("long", byDemand)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs", func() bool { _, err := os.Stat(filepath.Join(s.dir, "began")); return err == nil })
	s.stop()
	<-running.done
	<-waiting.done
	if r := running.run; r.Result != stopped || r.ExitCode != 5 {
		t.Errorf("the one that ran: %+v", r)
	}
	if r := waiting.run; r.Result != notStarted || r.Error != errEnding.Error() {
		t.Errorf("the one that waited: %+v", r)
	}
	if _, err := s.ask("long", byDemand); !errors.Is(err, errEnding) {
		t.Errorf("error %v", err)
	}
}

func TestTheScheduleRunsAndChanges(t *testing.T) {
	s := start(t, `{name: tick, schedule: "@every 1s"}`, map[string]string{"tick": "echo tick"})
	eventually(t, "it runs by the schedule", func() bool {
		last := s.last(t, "tick").Last
		return last != nil && last.Trigger == bySchedule && last.Result == succeeded
	})
	put := func(text string) {
		t.Helper()
		// At once, as the kubelet replaces the files of a ConfigMap.
		if err := errors.Join(os.WriteFile(filepath.Join(s.dir, "new"), []byte(text), 0o600), os.Rename(filepath.Join(s.dir, "new"), filepath.Join(s.dir, "jobs.yaml"))); err != nil {
			t.Fatal(err)
		}
	}
	put("jobs: [{name: more, script: tick}]\n")
	eventually(t, "a job that is added can be asked for", func() bool { code, _, _ := s.run(t, "more"); return code == 0 })
	put("jobs: [{name: more, scrpt: tick}]\n")
	eventually(t, "a mistake is told", func() bool {
		var b bytes.Buffer
		return Status(t.Context(), s.socket, &b) == nil && strings.Contains(b.String(), "jobs.yaml:1: jobs[0].scrpt: is not known")
	})
	if code, _, said := s.run(t, "more"); code != 0 {
		t.Errorf("what was good is not in use any more: %s", said)
	}
	if n := s.last(t, "more").Last.Number; n < 2 {
		t.Errorf("the runs are counted anew: %d", n)
	}
}

func TestOutputIsBounded(t *testing.T) {
	s := start(t, "{name: much}", map[string]string{"much": "head -c 100000 /dev/zero | tr '\\0' x; echo; i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; printf '\\377'"})
	s.run(t, "much")
	out := s.last(t, "much").Last.Output
	size := 0
	for _, line := range out {
		size += len(line)
	}
	if len(out) > maxKept || size > maxTail || out[len(out)-2] != "line 499" || out[len(out)-1] != "\uFFFD" {
		t.Errorf("%d lines, %d bytes, the last %q", len(out), size, out[max(0, len(out)-2):])
	}
	if n := strings.Count(s.log.String(), "stream=stdout"); n != 7+500+1 {
		t.Errorf("%d lines are logged", n)
	}
}

func TestTheSocketIsOurs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "r.sock")
	for range 2 { // the second finds what the first left behind
		l, err := listenUnix(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
			t.Errorf("%v %v", info, err)
		}
		l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
		l.Close()
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(file); err == nil {
		t.Error("a file is replaced by the socket")
	}
	if err := Status(t.Context(), filepath.Join(dir, "none"), &bytes.Buffer{}); err == nil || !strings.HasPrefix(err.Error(), "no runner at ") {
		t.Errorf("error %v", err)
	}
}

// TestTheReaperLeavesOthersAlone has a process of this test end, which the test waits for itself.
func TestTheReaperLeavesOthersAlone(t *testing.T) {
	r, err := newReaper()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "exit 7")
	if err := r.start(func() (int, error) { err := cmd.Start(); return cmd.Process.Pid, err }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it ends", func() bool {
		r.reap()
		for _, p := range processes() {
			if p.pid == cmd.Process.Pid {
				return p.ended
			}
		}
		return true
	})
	err = cmd.Wait()
	r.waited(cmd.Process.Pid)
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exit code %d: %v", code, err)
	}
	if syscall.Kill(cmd.Process.Pid, 0) == nil {
		t.Error("it is there still")
	}
}
