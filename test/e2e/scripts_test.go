package e2e

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// TestS13ScriptsBesideTheApp runs a script on schedule and one on demand; what they saw, their exit status as a metric and an
// event, and no zombie.
func TestS13ScriptsBesideTheApp(t *testing.T) {
	row(t, "S13-scripts.yaml", restricted, func(s *scene) {
		pod := &s.ready("", 1, "runner")[0]
		for _, order := range []string{"1", "2", "3"} {
			s.exec(pod, "shop", "/app", "write", "/data/order-"+order, "new")
		}
		s.eventually("the script on schedule counts the app's files", func() (bool, error) {
			var stdout, stderr bytes.Buffer
			err := s.client.ExecInPod(s.ctx, s.namespace, pod.Name, "shop", []string{"/app", "read", "/data/report"}, &stdout, &stderr)
			return strings.TrimSpace(stdout.String()) == "3", err
		})
		var stdout, stderr bytes.Buffer
		err := s.client.ExecInPod(s.ctx, s.namespace, pod.Name, "runner", []string{"/pillion/bin/runner", "run", "broken"}, &stdout, &stderr)
		if err == nil || !strings.Contains(err.Error(), "exit code 3") || !strings.Contains(stdout.String(), "looking for the archive") {
			s.Errorf("on demand: %v; %s%s", err, stdout.String(), stderr.String())
		}
		_, metrics := s.page(pod, http.MethodGet, 9182, "/metrics")
		for _, line := range []string{`runner_last_exit_code{job="broken"} 3`, `runner_runs_total{job="broken",result="failed"} 1`, `runner_last_exit_code{job="count"} 0`} {
			if !strings.Contains(metrics, line+"\n") {
				s.Errorf("the metrics lack %s", line)
			}
		}
		if status, _ := s.page(pod, http.MethodPost, 9182, "/run/broken"); status != http.StatusNotFound {
			s.Errorf("a script can be run from outside: %d", status)
		}
		if seen := s.exec(pod, "shop", "/app", "get", "--socket", "/run/runner/runner.sock", "http://runner/"); !strings.Contains(seen, `"exitCode": 3`) {
			s.Errorf("the app does not see the outcome at the socket:\n%s", seen)
		}
		s.eventually("an event says that the script failed", func() (bool, error) {
			var events corev1.EventList
			err := s.client.WithNamespace(s.namespace).List(s.ctx, &events)
			for _, e := range events.Items {
				if e.Reason == "ScriptFailed" && e.InvolvedObject.Name == pod.Name && strings.Contains(e.Message, "job broken, run 1: exit code 3") {
					return true, err
				}
			}
			return false, err
		})
		s.eventually("no zombie is left", func() (bool, error) {
			return !strings.Contains(s.exec(pod, "runner", "sh", "-c", "grep -h ^State /proc/[0-9]*/status 2>/dev/null; true"), "Z"), nil
		})
		began := time.Now()
		s.must(s.client.Delete(s.ctx, pod))
		s.eventually("the Pod ends", func() (bool, error) { return len(s.pods("")) == 0, nil })
		s.Logf("the Pod ended after %s", time.Since(began).Round(100*time.Millisecond))
	})
}

// runnerScripts looks at examples/runner-scripts for TestCompositions.
func (s *scene) runnerScripts() {
	web := &s.ready("app=web", 1, "runner")[0]
	if out, err := s.asks(web, "usage"); err != nil || !strings.HasSuffix(out, "\t/usr/share/nginx/html\n") {
		s.Errorf("usage prints %q: %v", out, err)
	}
	if out, err := s.asks(web, "clean"); err == nil || !strings.Contains(err.Error(), "exit code 3") {
		s.Errorf("the first clean prints %q and ends with %v", out, err)
	}
	s.exec(web, "nginx", "touch", "/usr/share/nginx/html/index.old")
	if out, err := s.asks(web, "clean"); err != nil || out != "/usr/share/nginx/html/index.old\n" {
		s.Errorf("the second clean prints %q and ends with %v", out, err)
	}
	if status := s.exec(web, "runner", "/pillion/bin/runner", "status"); !strings.Contains(status, `"clean"`) {
		s.Errorf("the status is %s", status)
	}
	if log := s.in("logs", "deploy/web", "-c", "runner"); !strings.Contains(log, "/usr/share/nginx/html/index.old") || !strings.Contains(log, `"job":"clean"`) {
		s.Errorf("the log is %s", log)
	}
	for _, line := range []string{`runner_last_exit_code{job="clean"} 0`, `runner_runs_total{job="clean",result="failed"} 1`, `runner_next_run_timestamp_seconds{job="usage"}`} {
		s.tells(web, 9182, "/metrics", http.StatusOK, line)
	}
	s.exec(web, "nginx", "ls", "/run/runner/runner.sock")
}

// asks has the runner run a job, and gives what it prints and how it ends.
func (s *scene) asks(p *corev1.Pod, job string) (string, error) {
	var stdout, stderr bytes.Buffer
	err := s.client.ExecInPod(s.ctx, s.namespace, p.Name, "runner", []string{"/pillion/bin/runner", "run", job}, &stdout, &stderr)
	return stdout.String(), err
}
