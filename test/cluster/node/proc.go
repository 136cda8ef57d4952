//go:build linux

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is what /proc says of one; a zombie is none.
type process struct {
	pid, parent int
	began       uint64 // clock ticks since the machine's start: with it a number used again is not mistaken
	inside      []int  // its numbers in the process namespaces below this one
	rss         int64  // bytes
}

// readProcess returns an error that is fs.ErrNotExist when there is no such process.
func readProcess(pid int) (process, error) {
	p := process{pid: pid}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, gone(err)
	}
	// The program's name, in parentheses, may have spaces and parentheses in it.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return p, fmt.Errorf("%s/stat: too short", dir)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return p, fs.ErrNotExist
	}
	if p.parent, err = strconv.Atoi(fields[1]); err != nil {
		return p, err
	}
	if p.began, err = strconv.ParseUint(fields[19], 10, 64); err != nil {
		return p, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return p, gone(err)
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		words := strings.Fields(value)
		switch {
		case key == "NSpid" && len(words) > 0:
			for _, w := range words[1:] {
				n, _ := strconv.Atoi(w) // the kernel writes numbers
				p.inside = append(p.inside, n)
			}
		case key == "VmRSS" && len(words) > 0:
			kilobytes, _ := strconv.ParseInt(words[0], 10, 64)
			p.rss = kilobytes << 10
		}
	}
	return p, nil
}

// gone makes one error of the two that a process leaves when it ends while it is read.
func gone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return fs.ErrNotExist
	}
	return err
}

func allProcesses() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var out []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		p, err := readProcess(pid)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// childInside is the child of parent that has the number inside in the outermost of the namespaces below this one.
func childInside(all []process, parent, inside int) (process, bool) {
	i := slices.IndexFunc(all, func(p process) bool {
		return p.parent == parent && len(p.inside) > 0 && p.inside[0] == inside
	})
	if i < 0 {
		return process{}, false
	}
	return all[i], true
}

// kill ends a process and returns when it is gone. For the first of a process namespace that means: all of it is gone.
func kill(pid int, began uint64) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	process := os.NewFile(uintptr(fd), "process")
	defer process.Close()
	p, err := readProcess(pid)
	if errors.Is(err, fs.ErrNotExist) || err == nil && p.began != began {
		return nil
	}
	if err != nil {
		return err
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		left := time.Until(deadline)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(max(left, 0).Milliseconds()))
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for process %d: %w", pid, err)
		}
		if left <= 0 {
			return fmt.Errorf("process %d: still there a minute after it was killed", pid)
		}
	}
}
