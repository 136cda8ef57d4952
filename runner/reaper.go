//go:build linux

package runner

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// reaper takes in orphans of the scripts without taking the exit status of the scripts themselves, which os/exec waits for.
type reaper struct {
	mu  sync.Mutex
	own map[int]bool // processes that somebody waits for
}

// newReaper makes this process the parent of every orphan below it, as the first process of a PID namespace is.
func newReaper() (*reaper, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, os.NewSyscallError("prctl", err)
	}
	return &reaper{own: map[int]bool{}}, nil
}

// start starts a process while no orphan is reaped, so that it is known as our own before it can end.
func (r *reaper) start(start func() (pid int, err error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := start()
	if err == nil {
		r.own[pid] = true
	}
	return err
}

// waited says that our own process was waited for.
func (r *reaper) waited(pid int) {
	r.mu.Lock()
	delete(r.own, pid)
	r.mu.Unlock()
	r.reap()
}

// reap waits for orphans that ended.
func (r *reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range processes() {
		if p.parent == os.Getpid() && p.ended && !r.own[p.pid] {
			var status unix.WaitStatus
			_, _ = unix.Wait4(p.pid, &status, unix.WNOHANG, nil) // somebody else's, or gone already
		}
	}
}

// kill ends what a run left behind: processes with its mark in their environment and, where no other run is under way,
// every orphan that came to us.
func (r *reaper) kill(mark string) {
	// What is killed may have just forked: again, until nothing is left.
	for range 20 {
		found := false
		for _, p := range r.left(mark) {
			found = true
			_ = unix.Kill(p, unix.SIGKILL) // gone already
		}
		r.reap()
		if !found {
			return
		}
	}
}

func (r *reaper) left(mark string) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []int
	for _, p := range processes() {
		switch {
		case p.ended || p.pid == os.Getpid() || r.own[p.pid]:
		case p.parent == os.Getpid() && len(r.own) == 0, p.has(mark):
			out = append(out, p.pid)
		}
	}
	return out
}

// process is what /proc says of one.
type process struct {
	pid, parent int
	ended       bool // a zombie
}

func processes() []process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var out []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		// The program's name, in parentheses, may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1]) // the kernel writes a number
		out = append(out, process{pid, parent, fields[0] == "Z" || fields[0] == "X"})
	}
	return out
}

// has says whether the process's environment holds a variable with that value. Others' environments cannot be read.
func (p *process) has(variable string) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if string(v) == variable {
			return true
		}
	}
	return false
}
