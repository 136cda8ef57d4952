package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// task is a process as the runtime and the kernel tell of it, without the helper.
type task struct {
	id  string
	pid int
}

// tasks gives the first processes of a Pod's containers on this node, by name, and that of its sandbox as pause.
func (s *scene) tasks(pod *corev1.Pod) map[string]task {
	s.Helper()
	pids := map[string]int{}
	out, err := command(s.ctx, "ctr", "tasks", "list")
	s.must(err)
	for words := range lines(out) {
		if pid, err := strconv.Atoi(words[1]); err == nil {
			pids[words[0]] = pid
		}
	}
	found := map[string]task{}
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		id := strings.TrimPrefix(status.ContainerID, "containerd://")
		if pids[id] == 0 {
			continue
		}
		found[status.Name] = task{id, pids[id]}
		sandbox := s.sandboxOf(id)
		found["pause"] = task{sandbox, pids[sandbox]}
	}
	return found
}

// sandboxOf asks the runtime for the sandbox of a container.
func (s *scene) sandboxOf(id string) string {
	s.Helper()
	out, err := exec.CommandContext(s.ctx, "ctr", "containers", "info", id).Output() // it warns beside what it prints
	s.must(err)
	var info struct {
		Spec struct {
			Annotations map[string]string `json:"annotations"`
		}
	}
	s.must(json.Unmarshal(out, &info))
	return info.Spec.Annotations["io.kubernetes.cri.sandbox-id"]
}

// namespaceOf reads the number of one of a process's namespaces.
func (s *scene) namespaceOf(pid int, kind string) uint64 {
	s.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	s.must(err)
	_, number, _ := strings.Cut(strings.TrimSuffix(link, "]"), "[")
	n, err := strconv.ParseUint(number, 10, 64)
	s.must(err)
	return n
}

// cgroupOf reads the path of a process's cgroup; an empty controller is version 2.
func (s *scene) cgroupOf(pid int, controller string) string {
	s.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	s.must(err)
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for name := range strings.SplitSeq(fields[1], ",") {
			if name == controller {
				return fields[2]
			}
		}
	}
	return ""
}
