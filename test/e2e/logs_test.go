package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// delivered is what the receiver says of one Pod's lines, which are numbered from 1.
type delivered struct{ Lines, Missing, Twice, Disordered, Highest int }

// TestS07EveryLineOnce writes 100,000 lines across rotations, an outage of the endpoint of 30 s and a restart of the shipper; a
// tenth of both where it need not be proved. The app's end follows its last line at once.
func TestS07EveryLineOnce(t *testing.T) {
	together(t)
	lines, outage := 10_000, 3*time.Second
	if os.Getenv("PILLION_PROVE") != "" {
		lines, outage = 100_000, 30*time.Second
	}
	row(t, "S07-logs.yaml", restricted, func(s *scene) {
		receiver := s.plain("app=receiver")
		report := &s.ready("app=report", 1, "log-shipper")[0]
		write := func(pod *corev1.Pod, n int) {
			s.Helper()
			if status, body := s.page(pod, http.MethodPost, 8080, fmt.Sprintf("/log?n=%d", n)); status != http.StatusOK {
				s.Fatalf("%s writes no log: %d %s", pod.Name, status, body)
			}
		}
		for round := range 10 {
			write(report, lines/10)
			switch round {
			case 3:
				if status, body := s.page(receiver, http.MethodPost, 4318, "/fail?for="+outage.String()); status != http.StatusOK {
					s.Fatalf("the receiver: %d %s", status, body)
				}
			case 6:
				s.restart(report, "log-shipper")
			}
		}
		s.page(report, http.MethodPost, 8080, "/exit?code=0")
		s.eventually("the Job's Pod is done", func() (bool, error) { return s.refresh(report).Status.Phase == corev1.PodSucceeded, nil })
		s.delivered(receiver, report.Name, delivered{Lines: lines, Highest: lines})

		till := &s.ready("app=till", 1, "log-shipper")[0]
		write(till, 500)
		s.kubectl("-n", s.namespace, "delete", "pod", till.Name)
		s.delivered(receiver, till.Name, delivered{Lines: 500, Highest: 500})
	})
}

// delivered compares what the receiver has of a Pod.
func (s *scene) delivered(receiver *corev1.Pod, pod string, want delivered) {
	s.Helper()
	_, body := s.page(receiver, http.MethodGet, 4318, "/report")
	var reports map[string]delivered
	s.must(json.Unmarshal([]byte(body), &reports))
	if got := reports[pod]; got != want {
		s.Errorf("of %s arrived %+v, want %+v", pod, got, want)
	}
}

// restart tells a container's first process to end, as the kubelet does, and waits until the next one has started.
func (s *scene) restart(pod *corev1.Pod, name string) {
	s.Helper()
	was := container(s.refresh(pod), name)
	s.must(syscall.Kill(s.processOf(was), syscall.SIGTERM))
	s.eventually(name+" of "+pod.Name+" is restarted", func() (bool, error) {
		is := container(s.refresh(pod), name)
		return is.RestartCount > was.RestartCount && is.Started != nil && *is.Started, nil
	})
}

// processOf finds a container's process by its cgroup: the tests run in the PID namespace of the nodes.
func (s *scene) processOf(c corev1.ContainerStatus) int {
	s.Helper()
	_, id, _ := strings.Cut(c.ContainerID, "://")
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	s.must(err)
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil && id != "" && bytes.Contains(b, []byte(id)) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			s.must(err)
			return pid
		}
	}
	s.Fatalf("no process has the cgroup of container %q", c.ContainerID)
	return 0
}
