package e2e

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestS01ProxyBeforeLocalhost(t *testing.T) {
	row(t, "S01-proxy-before-localhost.yaml", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, func(s *scene) {
		pod := s.ready("app=blog", 1, "proxy")[0]
		if got := s.get(&pod, 8080); got != "the blog\n" {
			s.Errorf("through the proxy comes %q", got)
		}
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(pod.Status.PodIP, "2368"), 2*time.Second)
		if err == nil {
			conn.Close()
			s.Error("the app's own port is open from outside")
		}
	})
}

func TestS03OneContainerRestarts(t *testing.T) {
	row(t, "S03-one-container-restarts.yaml", nil, func(s *scene) {
		pod := &s.ready("", 1, "proxy")[0]
		s.get(pod, 8000)
		was, proxy := container(pod, "nginx"), container(pod, "proxy")
		s.exec(pod, "nginx", "nginx", "-s", "stop")
		s.eventually("nginx is restarted", func() (bool, error) {
			is := container(s.refresh(pod), "nginx")
			return is.RestartCount == was.RestartCount+1 && is.Ready, nil
		})
		s.get(pod, 8000)
		if is := container(s.refresh(pod), "proxy"); is.ContainerID != proxy.ContainerID || is.RestartCount != proxy.RestartCount {
			s.Errorf("the proxy was restarted too: %+v", is)
		}
		var events corev1.EventList
		s.must(s.client.WithNamespace(s.namespace).List(s.ctx, &events))
		seen := slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.InvolvedObject.FieldPath == "spec.containers{nginx}" && e.Reason == "Started" && e.Count > 1
		})
		if !seen {
			s.Error("no event tells of nginx's second start")
		}
	})
}

func TestS16UnixSocketOnASharedVolume(t *testing.T) {
	row(t, "S16-unix-socket.yaml", nil, func(s *scene) {
		for i, volume := range []string{"proxy-socket", "state"} {
			pod := &s.ready("", 2, "proxy")[i]
			if got := s.get(pod, 8080); got != "the api\n" {
				s.Errorf("%s: through the socket comes %q", pod.Name, got)
			}
			mounted := func(list []corev1.Container, name string) string {
				for _, c := range list {
					for _, m := range c.VolumeMounts {
						if c.Name == name && m.MountPath == "/run/app" {
							return m.Name
						}
					}
				}
				return ""
			}
			app, proxy := mounted(pod.Spec.Containers, "api"), mounted(pod.Spec.InitContainers, "proxy")
			if app != proxy || app == "" || i == 1 && app != volume {
				s.Errorf("%s: the app mounts volume %q at /run/app, the proxy %q", pod.Name, app, proxy)
			}
			was := container(pod, "api").RestartCount
			s.exec(pod, "api", "nginx", "-s", "quit")
			s.eventually("the app is restarted", func() (bool, error) {
				is := container(s.refresh(pod), "api")
				return is.RestartCount > was && is.Ready, nil
			})
			if got := s.get(pod, 8080); got != "the api\n" {
				s.Errorf("%s: after a restart comes %q", pod.Name, got)
			}
		}
	})
}

// TestS17PlacedAsOne leaves 1.25 GiB free on one node and 2 GiB on the other: app and sidecar together need 1.5 GiB.
func TestS17PlacedAsOne(t *testing.T) {
	fill := func(s *scene) {
		var nodes corev1.NodeList
		s.must(s.client.List(s.ctx, &nodes))
		if len(nodes.Items) != 2 {
			s.Fatalf("the bed has %d nodes, want 2", len(nodes.Items))
		}
		slices.SortFunc(nodes.Items, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
		for i, free := range []string{"1280Mi", "2Gi"} {
			s.fill(&nodes.Items[i], resource.MustParse(free))
		}
	}
	rowAfter(t, "S17-placed-as-one.yaml", nil, fill, func(s *scene) {
		var pod corev1.Pod
		s.eventually("the Pod is placed", func() (bool, error) {
			err := s.client.Get(s.ctx, "reports", s.namespace, &pod)
			return pod.Spec.NodeName != "", err
		})
		s.injected(&pod, "proxy")
		if !strings.HasSuffix(pod.Spec.NodeName, "-2") {
			s.Errorf("the Pod is on %s, where app and sidecar do not fit together", pod.Spec.NodeName)
		}
	})
}

// fill takes a node's free memory but for the rest, by a Pod that asks for it.
func (s *scene) fill(node *corev1.Node, rest resource.Quantity) {
	s.Helper()
	var pods corev1.PodList
	s.must(s.client.List(s.ctx, &pods))
	free := node.Status.Allocatable.Memory().DeepCopy()
	for _, p := range pods.Items {
		if p.Spec.NodeName != node.Name || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
			free.Sub(*c.Resources.Requests.Memory())
		}
	}
	free.Sub(rest)
	if free.Sign() <= 0 {
		s.Fatalf("%s has not as much as %s free", node.Name, rest.String())
	}
	filler := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "filler-" + node.Name, Namespace: s.namespace}, Spec: corev1.PodSpec{
		NodeName: node.Name,
		Containers: []corev1.Container{{Name: "filler", Image: "localhost/app:v1",
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: free}}}}}}
	s.must(s.client.Create(s.ctx, filler))
}

func TestS18EveryController(t *testing.T) {
	row(t, "S18-controllers.yaml", nil, func(s *scene) {
		var nodes corev1.NodeList
		s.must(s.client.List(s.ctx, &nodes))
		s.ready("app=web", 2, "proxy")
		s.ready("app=store", 1, "proxy")
		s.ready("app=agent", len(nodes.Items), "proxy")
		s.kubectl("-n", s.namespace, "create", "job", "nightly-now", "--from=cronjob/nightly")
		for _, job := range []string{"migrate", "nightly-now"} {
			s.eventually("a Job "+job+" completes although it has a sidecar", func() (bool, error) {
				var jobs batchv1.JobList
				err := s.client.WithNamespace(s.namespace).List(s.ctx, &jobs)
				return slices.ContainsFunc(jobs.Items, func(j batchv1.Job) bool {
					return j.Name == job && j.Status.Succeeded == 1
				}), err
			})
		}
		for _, p := range s.pods("batch.kubernetes.io/job-name") {
			s.injected(&p, "proxy")
		}
	})
}

// TestS18RefusedControllerSaysWhyAndRecovers mistypes a parameter, reads the event, and mends the template.
func TestS18RefusedControllerSaysWhyAndRecovers(t *testing.T) {
	row(t, "S18-refused.yaml", nil, func(s *scene) {
		s.eventually("an event of the ReplicaSet says why", func() (bool, error) {
			var events corev1.EventList
			err := s.client.WithNamespace(s.namespace).List(s.ctx, &events)
			return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
				return e.InvolvedObject.Kind == "ReplicaSet" && e.Reason == "FailedCreate" && strings.Contains(e.Message, `did you mean "upstream-port"?`)
			}), err
		})
		var d appsv1.Deployment
		s.must(s.client.Get(s.ctx, "mistyped", s.namespace, &d))
		annotations := d.Spec.Template.Annotations
		delete(annotations, "pillion.dev/proxy.upstream-prt")
		annotations["pillion.dev/proxy.upstream-port"] = "8080"
		s.must(s.client.Update(s.ctx, &d))
		s.ready("app=mistyped", 1, "proxy")
	})
}

func TestS21MovedPodIsInjectedAgain(t *testing.T) {
	row(t, "S21-moved.yaml", nil, func(s *scene) {
		was := s.ready("app=moved", 1, "proxy")[0]
		s.Cleanup(func() { s.kubectl("uncordon", was.Spec.NodeName) })
		s.kubectl("drain", was.Spec.NodeName, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=2m",
			"--pod-selector=app=moved")
		is := s.ready("app=moved", 1, "proxy")[0]
		if is.UID == was.UID || is.Spec.NodeName == was.Spec.NodeName {
			s.Errorf("Pod %s on %s is not a new one elsewhere", is.Name, is.Spec.NodeName)
		}
		if a, b := sidecarOf(&was), sidecarOf(&is); a != b {
			s.Errorf("the new Pod's sidecar differs:\n%s\n%s", a, b)
		}
	})
}

// sidecarOf is the proxy's container as JSON.
func sidecarOf(p *corev1.Pod) string {
	for _, c := range p.Spec.InitContainers {
		if c.Name == "proxy" {
			text, err := json.Marshal(c)
			if err != nil {
				return err.Error()
			}
			return string(text)
		}
	}
	return ""
}
