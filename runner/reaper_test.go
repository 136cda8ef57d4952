//go:build linux

package runner

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

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
