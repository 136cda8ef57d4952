package e2e

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

// TestS08DebugSeesTheApp looks at the app's process and socket with real tools, and is refused where Pod Security forbids it.
func TestS08DebugSeesTheApp(t *testing.T) {
	row(t, "S08-debug.yaml", nil, func(s *scene) {
		pod := &s.ready("", 1, "debug")[0]
		var app string
		for line := range strings.Lines(s.exec(pod, "debug", "ps", "-eo", "pid,args")) {
			if pid, args, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(strings.TrimSpace(args), "/app ") {
				app = pid
			}
		}
		if app == "" {
			s.Fatal("ps does not show the app")
		}
		if sockets := s.exec(pod, "debug", "ss", "-tlnp"); !strings.Contains(sockets, "127.0.0.1:8080") || !strings.Contains(sockets, "pid="+app+",") {
			s.Errorf("ss does not show whose socket 127.0.0.1:8080 is:\n%s", sockets)
		}
		traced := s.exec(pod, "debug", "sh", "-c", "timeout -s INT 2 strace -f -p "+app+" 2>&1; true")
		if !strings.Contains(traced, "attached") {
			s.Errorf("strace does not attach to the app:\n%s", traced)
		}
		if files := s.exec(pod, "debug", "ls", "/proc/"+app+"/root/var/log/app", "/proc/"+app+"/fd"); files == "" {
			s.Error("the app's files are not to be seen")
		}
	})
}

// bare runs steps in a Namespace of its own with nothing in it.
func bare(t *testing.T, namespace string, labels map[string]string, steps func(s *scene)) {
	t.Helper()
	feature := features.New("bare").Assess(namespace, func(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
		s := &scene{T: t, ctx: ctx, namespace: namespace, client: cfg.Client().Resources()}
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}}
		s.must(s.client.Create(ctx, ns))
		t.Cleanup(func() { _ = s.client.Delete(context.Background(), ns) }) // the bed ends anyway
		steps(s)
		return ctx
	}).Feature()
	bed.Test(t, feature)
}

// TestS08DebugIsRefusedByPodSecurity asks for it where the level is restricted, and where it is baseline.
func TestS08DebugIsRefusedByPodSecurity(t *testing.T) {
	for _, level := range []string{"restricted", "baseline"} {
		bare(t, "s08-"+level, map[string]string{"pod-security.kubernetes.io/enforce": level}, func(s *scene) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: s.namespace, Annotations: map[string]string{"pillion.dev/inject": "debug"}},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "localhost/app:v1"}}}}
			want := "sidecar debug needs Pod Security level privileged, but Namespace " + s.namespace + " enforces " + level
			if err := s.client.Create(s.ctx, pod); err == nil || !strings.Contains(err.Error(), want) {
				s.Errorf("error %v, want %q", err, want)
			}
		})
	}
}

// TestS12WarAndTomcatAreReleasedApart serves a WAR by a real Tomcat, and then the WAR's next version by the same image.
func TestS12WarAndTomcatAreReleasedApart(t *testing.T) {
	row(t, "S12-war-on-tomcat.yaml", restricted, func(s *scene) {
		serves := func(version string) *corev1.Pod {
			pod := &s.ready("app=shop", 1)[0]
			_, body := s.page(pod, http.MethodGet, 8080, "/version.txt")
			if body != version+"\n" {
				s.Errorf("Tomcat serves version %q, want %s", body, version)
			}
			if _, body := s.page(pod, http.MethodGet, 8080, "/index.jsp"); !strings.HasPrefix(body, "shop "+version+" on Apache Tomcat/10.1.") {
				s.Errorf("the page that Tomcat compiles is %q", body)
			}
			return pod
		}
		first := serves("1")
		var d appsv1.Deployment
		s.must(s.client.Get(s.ctx, "shop", s.namespace, &d))
		d.Spec.Template.Annotations["pillion.dev/artifact.image"] = "localhost/war:2.0.0"
		s.must(s.client.Update(s.ctx, &d))
		s.eventually("the rollout is over", func() (bool, error) {
			err := s.client.Get(s.ctx, "shop", s.namespace, &d)
			return d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == 1 && d.Status.Replicas == 1 && d.Status.AvailableReplicas == 1, err
		})
		second := serves("2")
		if a, b := container(first, "tomcat").ImageID, container(second, "tomcat").ImageID; a != b || a == "" {
			s.Errorf("Tomcat's image was %s and is %s", a, b)
		}
		// The other entry mounts the image where this one puts a program into it.
		files := &s.ready("app=files", 1)[0]
		if status, body := s.page(files, http.MethodGet, 8080, "/shop.war"); status != http.StatusOK || !strings.HasPrefix(body, "PK") {
			s.Errorf("out of an image volume comes %d %.20q", status, body)
		}
		if got := container(second, "artifact-copy"); got.State.Terminated == nil || got.State.Terminated.ExitCode != 0 {
			s.Errorf("the copy: %+v", got.State)
		}
	})
}

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
