package cgroup

import (
	"strconv"
	"strings"
	"time"
)

// flat reads a file of lines NAME NUMBER.
func flat(text string) map[string]uint64 {
	out := map[string]uint64{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseUint(value, 10, 64); ok && err == nil {
			out[name] = n
		}
	}
	return out
}

// number reads a file of one number; "max" is 0, which is no bound.
func number(text string) uint64 {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// pressure reads how long at least one task (some) and all tasks (full) of a cgroup stood still for want of something.
func pressure(text string) (some, full time.Duration) {
	for line := range strings.Lines(text) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		_, total, ok := strings.Cut(rest, "total=")
		n, err := strconv.ParseInt(total, 10, 64)
		if !ok || err != nil {
			continue
		}
		switch kind {
		case "some":
			some = time.Duration(n) * time.Microsecond
		case "full":
			full = time.Duration(n) * time.Microsecond
		}
	}
	return some, full
}

// Paths are those of a process in each hierarchy, by controller; the empty name is the hierarchy of version 2.
type Paths map[string]string

// ParsePaths reads /proc/PID/cgroup.
func ParsePaths(text string) Paths {
	out := Paths{}
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			out[name] = parts[2]
		}
	}
	return out
}
