package cgroup

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

// Root is what the cgroup namespace of this process calls the root of each hierarchy, as the node has it. The zero value is that of
// a process in the node's own.
type Root Paths

// NewRoot finds it, by the paths of one process as the node reads them and as this process does.
func NewRoot(node, here Paths) (Root, error) {
	r := Root{}
	for name, at := range node {
		above, ok := strings.CutSuffix(at, strings.TrimSuffix(here[name], "/"))
		if !ok {
			return nil, fmt.Errorf("cgroup %q of the node is %q in the helper's namespace", at, here[name])
		}
		r[name] = above
	}
	return r, nil
}

// PathsOf reads the paths of a process as the node has them: those outside of a namespace lead out of its root by "..".
// https://man7.org/linux/man-pages/man7/cgroup_namespaces.7.html
func (r Root) PathsOf(pid int) (Paths, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return nil, err
	}
	return r.paths(string(text)), nil
}

func (r Root) paths(text string) Paths {
	out := ParsePaths(text)
	for name, at := range out {
		out[name] = path.Join("/", r[name], at)
	}
	return out
}
