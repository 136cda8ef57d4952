package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// inspection is what a process sees of its container and Pod.
type inspection struct {
	PID        int               `json:"pid"`
	UID        int               `json:"uid"`
	GID        int               `json:"gid"`
	Groups     []int             `json:"groups"`
	Host       string            `json:"host"`
	Args       []string          `json:"args"`
	Env        map[string]string `json:"env"`
	Mounts     []mount           `json:"mounts"`
	Namespaces map[string]string `json:"namespaces"` // kind to its link, such as net:[4026531840]
	Cgroup     []string          `json:"cgroup"`     // lines of /proc/self/cgroup
	Status     map[string]string `json:"status"`     // of /proc/self/status: capabilities, seccomp, no_new_privs
	Processes  []process         `json:"processes"`
}

type mount struct {
	Path    string `json:"path"`
	Type    string `json:"type"`
	Source  string `json:"source"`
	Options string `json:"options"`
}

type process struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
	Args string `json:"args"`
}

func (a *app) inspect(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, inspectSelf())
}

func printInspection(stdout io.Writer) error {
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	return out.Encode(inspectSelf())
}

// inspectSelf leaves empty what the system does not show: a test then sees that it is not there.
func inspectSelf() inspection {
	host, _ := os.Hostname()
	groups, _ := os.Getgroups()
	i := inspection{
		PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Groups: groups, Host: host, Args: os.Args,
		Env: map[string]string{}, Namespaces: map[string]string{}, Status: map[string]string{},
		Mounts: mounts(text("/proc/self/mountinfo")), Cgroup: lines(text("/proc/self/cgroup")), Processes: processes(),
	}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		i.Env[name] = value
	}
	links, _ := filepath.Glob("/proc/self/ns/*")
	for _, link := range links {
		i.Namespaces[filepath.Base(link)], _ = os.Readlink(link)
	}
	for _, line := range lines(text("/proc/self/status")) {
		name, value, _ := strings.Cut(line, ":")
		if strings.HasPrefix(name, "Cap") || name == "Seccomp" || name == "NoNewPrivs" {
			i.Status[name] = strings.TrimSpace(value)
		}
	}
	return i
}

// mounts reads mountinfo, see proc_pid_mountinfo(5): fields before and after the separator.
func mounts(mountinfo string) []mount {
	var out []mount
	for _, line := range lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 2 {
			continue
		}
		out = append(out, mount{Path: left[4], Options: left[5], Type: right[0], Source: right[1]})
	}
	return out
}

// processes lists those that this process sees: all of the Pod's where it shares one PID namespace.
func processes() []process {
	var out []process
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		name := strings.TrimSpace(text(filepath.Join(dir, "comm")))
		if name == "" {
			continue // it has ended since
		}
		args := strings.ReplaceAll(strings.TrimRight(text(filepath.Join(dir, "cmdline")), "\x00"), "\x00", " ")
		out = append(out, process{PID: pid, Name: name, Args: args})
	}
	return out
}

func text(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

func lines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' })
}
