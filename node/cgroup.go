package node

import (
	"fmt"
	"os"
	"strings"
)

// Cgroup2 finds where the hierarchy of cgroups of version 2 is mounted; empty where it is not. On nodes with both versions it
// is there beside the controllers of version 1.
func Cgroup2() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("cgroups: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1], nil
		}
	}
	return "", nil
}
