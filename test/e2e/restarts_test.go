package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestS03OneContainerRestarts has nginx crash: the kubelet starts it again, and tells of it. All other processes of the Pod are
// the same ones as before: its sidecars, the app's second container, and the one that holds the Pod's namespaces.
func TestS03OneContainerRestarts(t *testing.T) {
	together(t)
	inNamespace(t, "s03-one-container-restarts", nil, func(s *scene) {
		s.here("S03-one-container-restarts.yaml")
		pod := &s.ready("app=shop", 1, "confd", "proxy")[0]
		if got := s.get(pod, 8000); got != "the shop\n" {
			s.Errorf("through the proxy comes %q", got)
		}
		was := s.lives(pod)
		if len(was) != 5 {
			s.Fatalf("the Pod has the processes %v, want nginx, cart, confd, proxy and pause", was)
		}
		crashed := was["nginx"]
		s.must(syscall.Kill(crashed.pid, syscall.SIGKILL))
		s.eventually("nginx is restarted", func() (bool, error) {
			is := container(s.refresh(pod), "nginx")
			return is.RestartCount == crashed.restarts+1 && is.Ready, nil
		})
		if got := s.get(pod, 8000); got != "the shop\n" {
			s.Errorf("after the restart there comes %q", got)
		}
		ended := container(pod, "nginx").LastTerminationState.Terminated
		if ended == nil || ended.ExitCode != 137 || "containerd://"+crashed.id != ended.ContainerID {
			s.Errorf("the Pod's status tells of nginx's end: %+v", ended)
		}
		is := s.lives(s.refresh(pod))
		if again := is["nginx"]; again.pid == crashed.pid || again.id == crashed.id {
			s.Errorf("nginx is %+v, and was %+v", again, crashed)
		}
		delete(was, "nginx")
		for name, life := range was {
			if is[name] != life {
				s.Errorf("%s is %+v, and was %+v", name, is[name], life)
			}
		}
		s.startedAgain(pod, "nginx")
	})
}

// life is one process from its start to its end, as the node has it, and how often its container was started again.
type life struct {
	task
	// started is in clock ticks since the node's start.
	started  string
	restarts int32
}

// lives gives the first process of each container of a Pod on this node, and that of its sandbox as pause.
func (s *scene) lives(pod *corev1.Pod) map[string]life {
	s.Helper()
	out := map[string]life{}
	for name, task := range s.tasks(pod) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", task.pid))
		s.must(err)
		_, rest, _ := strings.Cut(string(stat), ") ")
		out[name] = life{task, strings.Fields(rest)[19], container(pod, name).RestartCount}
	}
	return out
}

// startedAgain waits for the event of a container's second start, and fails where there is one of another container.
func (s *scene) startedAgain(pod *corev1.Pod, name string) {
	s.Helper()
	var events corev1.EventList
	again := func(e corev1.Event) bool {
		return e.InvolvedObject.Name == pod.Name && e.Reason == "Started" && e.Count > 1
	}
	s.eventually("an event tells of the second start of "+name, func() (bool, error) {
		err := s.client.WithNamespace(s.namespace).List(s.ctx, &events)
		return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return again(e) && e.InvolvedObject.FieldPath == "spec.containers{"+name+"}"
		}), err
	})
	for _, e := range events.Items {
		if again(e) && e.InvolvedObject.FieldPath != "spec.containers{"+name+"}" {
			s.Errorf("an event tells of another second start: %s", e.InvolvedObject.FieldPath)
		}
	}
}
