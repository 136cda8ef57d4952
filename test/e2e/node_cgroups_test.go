package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestS15Governed lets sidecars work as hard as they can beside an app that does so too.
func TestS15Governed(t *testing.T) {
	inNamespace(t, "s15-busy", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, func(s *scene) {
		s.everywhere("S15-busy-catalog.yaml")
		s.helpers("busy")
		helper := s.helpers()[s.here("S15-busy.yaml")]
		governed, ungoverned, starved := s.pod("governed"), s.pod("ungoverned"), s.pod("starved")
		if kept := s.keeps(ungoverned, 4, 4); kept >= 0.9 {
			s.Errorf("beside a sidecar that is not governed the app keeps %.0f %% of its throughput: nothing is shown by this", 100*kept)
		}
		if kept := s.keeps(governed, 4, 40); kept < 0.9 {
			s.Errorf("beside a governed sidecar the app keeps %.0f %% of its throughput", 100*kept)
		}
		s.accounted(helper, governed)
		s.accountedHardship(helper, starved)
	})
}

// burnMilliseconds is how long a round is.
const burnMilliseconds = 500

// burn has an app's container use two processors for a round, and gives how much work it did.
func (s *scene) burn(pod *corev1.Pod, port int) (rounds int) {
	s.Helper()
	var group sync.WaitGroup
	var did [2]int
	var failed [2]error
	for i := range did {
		group.Go(func() {
			res, err := http.Get(fmt.Sprintf("http://%s/burn?ms=%d", net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(port)), burnMilliseconds))
			if err != nil {
				failed[i] = err
				return
			}
			defer res.Body.Close()
			var answer struct{ Rounds int }
			failed[i] = json.NewDecoder(res.Body).Decode(&answer)
			did[i] = answer.Rounds
		})
	}
	group.Wait()
	s.must(failed[0])
	s.must(failed[1])
	return did[0] + did[1]
}

// keeps gives the part of its throughput that an app keeps while its sidecar is busy, by rounds with and without it in turn: the
// machine is not ours alone. It takes at least so many rounds of each kind, and up to the most until the part is 0.9.
func (s *scene) keeps(pod *corev1.Pod, least, most int) float64 {
	s.Helper()
	var alone, beside, sidecar int
	for round := 1; ; round++ {
		alone += s.burn(pod, 8080)
		var group sync.WaitGroup
		group.Go(func() { sidecar += s.burn(pod, 9001) })
		beside += s.burn(pod, 8080)
		group.Wait()
		kept := float64(beside) / float64(alone)
		if round >= least && kept >= 0.9 || round >= most {
			s.Logf("%s: in %d rounds of %d ms the app did %d alone and %d beside its sidecar (%.1f %%), which did %d",
				pod.Name, round, burnMilliseconds, alone, beside, 100*kept, sidecar)
			return kept
		}
	}
}

// accounted compares what is in the metrics with the kernel's own account, of before and after.
func (s *scene) accounted(helper, pod *corev1.Pod) {
	s.Helper()
	labels := s.labelsOf("busy")
	used := func() float64 {
		text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/cpuacct", s.cgroupOf(s.tasks(pod)["busy"].pid, "cpuacct"), "cpuacct.usage"))
		s.must(err)
		n, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
		s.must(err)
		return n / 1e9
	}
	before := used()
	text := s.metrics(helper)
	after := used()
	if cpu := s.metric(text, "pillion_sidecar_cpu_seconds_total", labels); cpu < before-1e-6 || cpu > after+1e-6 {
		s.Errorf("the metrics tell of %f s of CPU, the kernel of %f s before and %f s after", cpu, before, after)
	}
	for _, name := range []string{"pillion_sidecar_memory_bytes", "pillion_sidecar_memory_anonymous_bytes"} {
		if s.metric(text, name, labels) <= 0 {
			s.Errorf("%s is not more than 0", name)
		}
	}
	if n := s.metric(text, "pillion_sidecar_containers", labels); n != 1 {
		s.Errorf("the metrics tell of %v containers", n)
	}
	if waited := s.metric(text, "pillion_sidecar_pressure_seconds_total", labels+`,resource="cpu",kind="some"`); waited <= 0 {
		s.Error("the sidecar that always came last never stood still")
	}
	s.Logf("CPU that Pods used beyond what is counted for their containers: %v s", s.metric(text, "pillion_pod_unattributed_cpu_seconds_total", ""))
}

// accountedHardship has a sidecar use more CPU and more memory than it may.
func (s *scene) accountedHardship(helper, pod *corev1.Pod) {
	s.Helper()
	labels := s.labelsOf("greedy")
	s.burn(pod, 9001)
	if throttled := s.metric(s.metrics(helper), "pillion_sidecar_throttled_seconds_total", labels); throttled <= 0 {
		s.Error("the metrics do not tell of throttling")
	}
	_, _ = http.Get(fmt.Sprintf("http://%s/leak?mb=64", net.JoinHostPort(pod.Status.PodIP, "9001"))) // it does not live to answer
	s.eventually("the sidecar is killed for want of memory, and back", func() (bool, error) {
		is := container(s.refresh(pod), "greedy")
		return is.RestartCount > 0 && is.State.Running != nil && is.LastTerminationState.Terminated.Reason == "OOMKilled", nil
	})
	if kills := s.metric(s.metrics(helper), "pillion_sidecar_oom_kills_total", labels); kills < 1 {
		s.Errorf("the metrics tell of %v kills for want of memory", kills)
	}
}

func (s *scene) labelsOf(entry string) string {
	s.Helper()
	revision := s.kubectl("get", "clustersidecar", entry, "-o", "jsonpath={.status.revision}")
	return fmt.Sprintf(`revision="%s",sidecar="%s"`, revision, entry)
}

// metric reads one value; one that is not there is a failure. Labels are in the order of the alphabet.
func (s *scene) metric(text, name, labels string) float64 {
	s.Helper()
	want := name
	if labels != "" {
		parts := strings.Split(labels, ",")
		slices.Sort(parts)
		want += "{" + strings.Join(parts, ",") + "}"
	}
	for words := range lines(text) {
		if words[0] == want {
			n, err := strconv.ParseFloat(words[1], 64)
			s.must(err)
			return n
		}
	}
	s.Fatalf("no metric %s", want)
	return 0
}
