package e2e

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestS20OneContainersProcesses puts a sidecar into the PID namespace of nginx alone.
func TestS20OneContainersProcesses(t *testing.T) {
	together(t)
	before := func(s *scene) {
		s.everywhere("S20-joined-catalog.yaml")
		s.helpers("reloader")
	}
	rowAfter(t, "S20-joined.yaml", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, before, func(s *scene) {
		pod := s.pod("front")
		if share := pod.Spec.ShareProcessNamespace; share != nil && *share {
			s.Error("the Pod has one PID namespace for all")
		}
		s.reloads(pod)
		s.returnTogether(pod)
		s.waitsForItsTarget()
	})
}

// process is one that a container sees.
type process struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
	Args string `json:"args"`
}

// sees lists the processes that a container sees, but for the one that looks.
func (s *scene) sees(pod *corev1.Pod, container string) []process {
	s.Helper()
	var seen struct {
		PID       int       `json:"pid"`
		Processes []process `json:"processes"`
	}
	s.must(json.Unmarshal([]byte(s.exec(pod, container, "/app", "inspect")), &seen))
	return slices.DeleteFunc(seen.Processes, func(p process) bool { return p.PID == seen.PID })
}

// workers gives the process numbers of nginx's workers; anything that is neither nginx's nor the sidecar's own is an error.
func (s *scene) workers(pod *corev1.Pod) (pids []int) {
	s.Helper()
	masters := 0
	for _, p := range s.sees(pod, "reloader") {
		switch {
		case p.Name == "nginx" && p.PID == 1:
			masters++
		case p.Name == "nginx":
			pids = append(pids, p.PID)
		case p.Name != "app" || !strings.Contains(p.Args, ":9002"):
			s.Errorf("the sidecar sees process %d, %s", p.PID, p.Args)
		}
	}
	if masters != 1 || len(pids) == 0 {
		s.Errorf("the sidecar sees %d masters of nginx as process 1 and workers %d", masters, pids)
	}
	return pids
}

// reloads has the sidecar signal nginx, which replaces its workers. The other container sees neither of the two, and can
// signal neither.
func (s *scene) reloads(pod *corev1.Pod) {
	s.Helper()
	was := s.workers(pod)
	s.exec(pod, "reloader", "/app", "kill", "nginx", "HUP")
	s.eventually("nginx has other workers", func() (bool, error) {
		is := s.workers(pod)
		return len(is) > 0 && !slices.ContainsFunc(is, func(pid int) bool { return slices.Contains(was, pid) }), nil
	})
	if n := container(s.refresh(pod), "nginx").RestartCount; n != 0 {
		s.Errorf("nginx was restarted %d times, and should have reloaded", n)
	}
	for _, p := range s.sees(pod, "other") {
		if !strings.Contains(p.Args, ":9003") {
			s.Errorf("the other container sees process %d, %s", p.PID, p.Args)
		}
	}
}

// returnTogether ends nginx: the sidecar ends with it, and both come back as they were.
func (s *scene) returnTogether(pod *corev1.Pod) {
	s.Helper()
	was := container(s.refresh(pod), "reloader")
	other := container(pod, "other")
	s.execLast(pod, "nginx", "nginx", "-s", "stop")
	s.eventually("nginx and its sidecar are back", func() (bool, error) {
		is, target := container(s.refresh(pod), "reloader"), container(pod, "nginx")
		return is.RestartCount > was.RestartCount && is.Ready && target.RestartCount > 0 && target.Ready, nil
	})
	s.workers(pod)
	if ended := container(pod, "reloader").LastTerminationState.Terminated; ended == nil || ended.ExitCode != 137 || ended.Reason == "OOMKilled" {
		s.Errorf("the sidecar ended with %+v, want by the kernel, with its namespace", ended)
	}
	if is := container(pod, "other"); is.ContainerID != other.ContainerID {
		s.Error("the other container was restarted too")
	}
}

// waitsForItsTarget asks for a target that there is not, which is refused, and for one that ends at once, which is waited for.
func (s *scene) waitsForItsTarget() {
	s.Helper()
	text, err := os.ReadFile(example("S20-joined.yaml"))
	s.must(err)
	missing := strings.NewReplacer("name: front\n", "name: missing\n", "reloader.container: nginx", "reloader.container: ngin").Replace(string(text))
	out, err := s.applyText(missing)
	if err == nil || !strings.Contains(out, `there is no such container; did you mean "nginx"`) {
		s.Errorf("a target that there is not: %v\n%s", err, out)
	}
	ends := strings.NewReplacer("name: front\n", "name: ends\n", "1.29-alpine\n", "1.29-alpine\n      command: [\"false\"]\n").Replace(string(text))
	s.kubectlIn(ends, "-n", s.namespace, "apply", "-f", "-")
	s.Log(s.said("ends", "container reloader waits for nginx, whose PID namespace it is to be in"))
}
