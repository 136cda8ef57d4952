package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Reasons why a signal is not sent. They pass: the app starts, or gets so far that it listens.
var (
	errNoProcess  = errors.New("no such process")
	errNotHandled = errors.New("does not handle the signal")
	errYoung      = errors.New("started a moment ago")
)

// minAge is how old a process has to be. A runtime such as Go's handles every signal from its start, and ends for one that
// the program has not asked for yet.
const minAge = time.Second

// clockTick is the unit of times in /proc/PID/stat; it is the same on all of Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// process is one of the Pod's.
type process struct {
	pid, parent int
	// started is the time since the machine's start.
	started time.Duration
	names   []string // of its program, by different sources
	caught  uint64   // signals that it handles, bit 0 for signal 1
}

// sinceBoot is the clock of process.started.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// readProcess reads a process; what ends meanwhile is an error.
func readProcess(proc string, pid int) (*process, error) {
	dir := filepath.Join(proc, strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return nil, err
	}
	// The name in parentheses may hold anything; the third field is the first after it.
	end, begin := bytes.LastIndexByte(stat, ')'), bytes.IndexByte(stat, '(')
	fields := strings.Fields(string(stat[end+1:]))
	if end < begin || begin < 0 || len(fields) < 20 {
		return nil, fmt.Errorf("%s/stat is not understood", dir)
	}
	p := &process{pid: pid, names: []string{string(stat[begin+1 : end])}}
	if fields[0] == "Z" || fields[0] == "X" {
		return nil, errNoProcess
	}
	if p.parent, err = strconv.Atoi(fields[1]); err != nil {
		return nil, err
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return nil, err
	}
	p.started = time.Duration(ticks) * clockTick
	if exe, err := os.Readlink(filepath.Join(dir, "exe")); err == nil {
		p.names = append(p.names, filepath.Base(strings.TrimSuffix(exe, " (deleted)")))
	}
	if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil {
		first, _, _ := strings.Cut(string(line), "\x00")
		p.names = append(p.names, filepath.Base(first))
	}
	return p, p.readSignals(dir)
}

func (p *process) readSignals(dir string) error {
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if mask, ok := strings.CutPrefix(line, "SigCgt:"); ok {
			p.caught, err = strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		}
	}
	return err
}

func (p *process) called(name string) bool {
	// The kernel keeps 15 bytes of a name.
	return slices.Contains(p.names[1:], name) || p.names[0] == name[:min(len(name), 15)]
}

// topmost finds the processes of a name whose parents are not of that name too: masters, not workers.
func topmost(proc, name string) ([]*process, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	found := map[int]*process{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if p, err := readProcess(proc, pid); err == nil && p.called(name) {
			found[pid] = p
		}
	}
	var top []*process
	for _, p := range found {
		if found[p.parent] == nil {
			top = append(top, p)
		}
	}
	slices.SortFunc(top, func(a, b *process) int { return a.pid - b.pid })
	return top, nil
}

// readers leaves those processes that see the very file that was written: several containers of a Pod may run one program.
func readers(proc string, top []*process, dest string) []*process {
	ours, err := os.Stat(dest)
	if err != nil || len(top) < 2 {
		return top
	}
	var see []*process
	for _, p := range top {
		theirs, err := os.Stat(filepath.Join(proc, strconv.Itoa(p.pid), "root", dest))
		if err == nil && os.SameFile(ours, theirs) {
			see = append(see, p)
		}
	}
	return see
}

// signalProcess sends a signal to the processes of a name that have not read dest since it was swapped. The count is of
// signals sent; those who started since then need none.
func signalProcess(name, signal, dest string, swapped time.Duration) (sent int, err error) {
	top, err := topmost("/proc", name)
	if err != nil {
		return 0, err
	}
	if len(top) == 0 {
		return 0, fmt.Errorf("%w: %s", errNoProcess, name)
	}
	see := readers("/proc", top, dest)
	if len(see) == 0 {
		return 0, fmt.Errorf("%d processes are called %s, and none of them sees %s", len(top), name, dest)
	}
	var errs []error
	for _, p := range see {
		if p.started > swapped+clockTick {
			continue
		}
		if err := p.signal(unix.SignalNum(signal)); err != nil {
			errs = append(errs, fmt.Errorf("%s to %s (pid %d): %w", signal, name, p.pid, err))
			continue
		}
		sent++
	}
	return sent, errors.Join(errs...)
}

// signal sends by a handle, so that no other process with the same number gets it. A process which has not come so far
// that it handles the signal would die of it; SIGTERM and SIGQUIT are meant to end it.
func (p *process) signal(s syscall.Signal) error {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return errNoProcess
	}
	defer func() { _ = handle.Release() }()
	if sinceBoot()-p.started < minAge {
		return errYoung
	}
	now, err := readProcess("/proc", p.pid)
	if err != nil || now.started != p.started {
		return errNoProcess
	}
	if ends := s == unix.SIGTERM || s == unix.SIGQUIT; !ends && now.caught&(1<<(s-1)) == 0 {
		return errNotHandled
	}
	err = handle.Signal(s)
	switch {
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w: confd runs as user %d, the process as another; name its container, as whose user confd then runs", err, os.Geteuid())
	case errors.Is(err, os.ErrProcessDone):
		return errNoProcess
	}
	return err
}
