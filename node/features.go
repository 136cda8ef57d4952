package node

import (
	"strconv"
	"strings"
)

// Features are what a runtime lets a plugin do.
type Features struct {
	// Runtime and Version as the runtime gives them; empty before it does.
	Runtime string `json:"runtime"`
	Version string `json:"version"`
	// Joins: a container can be created in another's PID namespace.
	Joins bool `json:"joins"`
}

// joinsSince is the first version of each runtime with NRI 0.10, which can replace namespaces:
// https://github.com/containerd/nri#runtimes
var joinsSince = map[string][2]int{"containerd": {2, 2}, "cri-o": {1, 34}}

func featuresOf(runtime, version string) Features {
	f := Features{Runtime: runtime, Version: version}
	since, ok := joinsSince[strings.ToLower(runtime)]
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(strings.TrimRight(minor, "+~-"))
	if ok && errA == nil && errB == nil {
		f.Joins = a > since[0] || a == since[0] && b >= since[1]
	}
	return f
}
