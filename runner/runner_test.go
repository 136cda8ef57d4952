//go:build linux

package runner

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
