package e2e

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// looked is what `pillion-node inspect -o json` says, as far as it is compared.
type looked struct {
	Sandbox    string
	IPs        []string
	Network    uint64
	Redirect   *struct{ Hash string }
	Findings   []string
	Containers []struct {
		Name, ID   string
		PID        int
		Sidecar    string
		Joins      string
		Namespaces map[string]uint64
		Cgroups    map[string]string
	}
}

// TestS14WhoSharesWhat compares what the helper says of a Pod with what the runtime and the kernel say, and ends the app, and
// then the process that holds the Pod's namespaces.
func TestS14WhoSharesWhat(t *testing.T) {
	inNamespace(t, "s14-looked-at", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, func(s *scene) {
		s.everywhere("S19-transparent-catalog.yaml")
		s.everywhere("S20-joined-catalog.yaml")
		s.helpers("through", "reloader")
		helper := s.helpers()[s.here("S14-looked-at.yaml")]
		pod := s.pod("looked-at")
		s.isSmall(helper)
		was := s.looks(helper, pod)
		s.agrees(pod, was)
		s.shows(helper, pod, was)
		s.appEnds(helper, pod, was)
		s.pauseEnds(helper, pod, was)
		if _, err := s.inHelper(helper, "inspect", s.namespace+"/none"); err == nil || !strings.Contains(err.Error(), "the node has no such Pod: "+s.namespace+"/none") {
			s.Errorf("a Pod that there is not: %v", err)
		}
	})
}

func (s *scene) looks(helper, pod *corev1.Pod) *looked {
	s.Helper()
	out, err := s.inHelper(helper, "inspect", "-o", "json", s.namespace+"/"+pod.Name)
	s.must(err)
	is := new(looked)
	s.must(json.Unmarshal([]byte(out), is))
	return is
}

// agrees reads for itself.
func (s *scene) agrees(pod *corev1.Pod, is *looked) {
	s.Helper()
	tasks := s.tasks(pod)
	if len(is.Containers) != len(tasks) || len(tasks) != 5 {
		s.Errorf("the helper tells of %d processes, the runtime of %d, want 5: %+v, %v", len(is.Containers), len(tasks), is.Containers, tasks)
	}
	if is.Sandbox != tasks["pause"].id || len(is.IPs) != 1 || is.IPs[0] != pod.Status.PodIP || len(is.Findings) > 0 {
		s.Errorf("the helper tells of sandbox %s, addresses %v, findings %v; it is %s, %s", is.Sandbox, is.IPs, is.Findings, tasks["pause"].id, pod.Status.PodIP)
	}
	for _, c := range is.Containers {
		task := tasks[c.Name]
		if c.PID != task.pid || c.ID != task.id {
			s.Errorf("%s: process %d of %s, want %d of %s", c.Name, c.PID, c.ID, task.pid, task.id)
			continue
		}
		for kind, inode := range c.Namespaces {
			if want := s.namespaceOf(task.pid, kind); inode != want {
				s.Errorf("%s: %s namespace %d, want %d", c.Name, kind, inode, want)
			}
		}
		if c.Namespaces["net"] != s.namespaceOf(tasks["pause"].pid, "net") || c.Namespaces["net"] != is.Network || len(c.Namespaces) != 7 {
			s.Errorf("%s: namespaces %v, the Pod's network is %d", c.Name, c.Namespaces, is.Network)
		}
		for controller, path := range c.Cgroups {
			if want := s.cgroupOf(task.pid, controller); path != want || !strings.Contains(path, task.id) {
				s.Errorf("%s: cgroup %s of %q, want %s", c.Name, path, controller, want)
			}
		}
		joins := map[string]string{"reloader": "app"}[c.Name]
		if c.Joins != joins || len(c.Cgroups) == 0 {
			s.Errorf("%s: joins %q, want %q; cgroups %v", c.Name, c.Joins, joins, c.Cgroups)
		}
		if shares := c.Namespaces["pid"] == s.namespaceOf(tasks["app"].pid, "pid"); shares != (c.Name == "app" || c.Name == "reloader") {
			s.Errorf("%s shares the app's PID namespace: %v", c.Name, shares)
		}
	}
	rules, err := command(s.ctx, "nsenter", "--net=/proc/"+strconv.Itoa(tasks["app"].pid)+"/ns/net", "nft", "list", "table", "inet", "pillion")
	s.must(err)
	if is.Redirect == nil || !strings.Contains(rules, "#"+is.Redirect.Hash) || !strings.Contains(rules, "redirect to :15006") {
		s.Errorf("the helper tells of rules %+v, the kernel of\n%s", is.Redirect, rules)
	}
}

// shows looks at the text and the picture.
func (s *scene) shows(helper, pod *corev1.Pod, is *looked) {
	s.Helper()
	name := s.namespace + "/" + pod.Name
	text, err := s.inHelper(helper, "inspect", name)
	s.must(err)
	s.Log(text)
	picture, err := s.inHelper(helper, "inspect", "-o", "svg", name)
	s.must(err)
	for decoder := xml.NewDecoder(strings.NewReader(picture)); ; {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		s.must(err)
	}
	for _, c := range is.Containers {
		if !strings.Contains(text, c.Name) || !strings.Contains(picture, c.Name) {
			s.Errorf("%s is not in the text or not in the picture:\n%s\n%s", c.Name, text, picture)
		}
	}
	for _, want := range []string{name, pod.Status.PodIP, strconv.FormatUint(is.Network, 10), is.Redirect.Hash} {
		if !strings.Contains(text, want) {
			s.Errorf("the text lacks %s:\n%s", want, text)
		}
	}
}

// appEnds kills the app's first process: the Pod stays what it was.
func (s *scene) appEnds(helper, pod *corev1.Pod, was *looked) {
	s.Helper()
	ended := s.tasks(pod)["app"].pid
	s.must(syscall.Kill(ended, syscall.SIGKILL))
	s.eventually("the app and its sidecar are back", func() (bool, error) {
		s.refresh(pod)
		return container(pod, "app").RestartCount > 0 && container(pod, "reloader").RestartCount > 0 && isReady(pod), nil
	})
	is := s.looks(helper, pod)
	s.agrees(pod, is)
	if is.Network != was.Network || is.Sandbox != was.Sandbox || is.IPs[0] != was.IPs[0] || s.tasks(pod)["app"].pid == ended {
		s.Errorf("after the app's end the Pod has network %d, sandbox %s, addresses %v; it had %d, %s, %v", is.Network, is.Sandbox, is.IPs, was.Network, was.Sandbox, was.IPs)
	}
}

// pauseEnds kills the process that holds the namespaces: the Pod gets a new sandbox, which is redirected like the first one.
func (s *scene) pauseEnds(helper, pod *corev1.Pod, was *looked) {
	s.Helper()
	restarts := container(s.refresh(pod), "app").RestartCount
	s.must(syscall.Kill(s.tasks(pod)["pause"].pid, syscall.SIGKILL))
	s.eventually("the Pod runs in a new sandbox", func() (bool, error) {
		s.refresh(pod)
		return container(pod, "app").RestartCount > restarts && isReady(pod), nil
	})
	is := s.looks(helper, pod)
	s.agrees(pod, is)
	if is.Sandbox == was.Sandbox {
		s.Errorf("after the end of its first process the Pod has the sandbox %s that it had", is.Sandbox)
	}
}

// isSmall looks at the rights of the helper and measures it, as it has nothing to do at the moment.
func (s *scene) isSmall(helper *corev1.Pod) {
	s.Helper()
	const most = 15 << 20 // bytes of its own, beside its program's
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", agent()))
	s.must(err)
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	s.must(err)
	text := s.metrics(helper)
	// NET_ADMIN, SYS_PTRACE and SYS_ADMIN, and no way to get more.
	for _, set := range []string{"CapPrm:", "CapEff:", "CapBnd:"} {
		if !strings.Contains(string(status), set+"\t0000000000281000\n") {
			s.Errorf("the helper's capabilities are not those that the chart gives:\n%s", status)
		}
	}
	lived := float64(time.Now().UnixNano())/1e9 - s.metric(text, "process_start_time_seconds", "")
	s.Logf("the helper has %.1f MiB of its own, and has used %.1f milli-cores in %.0f s", float64(kib)/1024, 1000*s.metric(text, "process_cpu_seconds_total", "")/lived, lived)
	if kib<<10 > most {
		s.Errorf("the helper has %d KiB of its own, the most is %d", kib, most>>10)
	}
}
