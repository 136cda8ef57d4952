package e2e

import (
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestS01ProxyBeforeLocalhost(t *testing.T) {
	together(t)
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

// TestS17PlacedAsOne leaves 1.25 GiB free on one node and 2 GiB on the other: app and sidecar together need 1.5 GiB.
func TestS17PlacedAsOne(t *testing.T) {
	fill := func(s *scene) {
		s.addEntries("S17-placed-as-one-catalog.yaml", "log-helper")
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
		s.injected(&pod, "log-helper")
		if !strings.HasSuffix(pod.Spec.NodeName, "-2") {
			s.Errorf("the Pod is on %s, where app and sidecar do not fit together", pod.Spec.NodeName)
		}
		s.neverOnTheFirst()
	})
}

// neverOnTheFirst asks for the same once more, for which only the node that is too small for both has room left: the Pod waits.
// The app alone is placed there.
func (s *scene) neverOnTheFirst() {
	s.Helper()
	text, err := os.ReadFile(example("S17-placed-as-one.yaml"))
	s.must(err)
	again := strings.Replace(string(text), "name: reports\n", "name: again\n", 1)
	s.kubectlIn(again, "-n", s.namespace, "apply", "-f", "-")
	s.kubectlIn(strings.NewReplacer("name: again", "name: alone", "pillion.dev/inject: log-helper", "pillion.dev/inject: \"false\"").Replace(again),
		"-n", s.namespace, "apply", "-f", "-")
	var second, alone corev1.Pod
	s.eventually("the Pod without a sidecar is placed", func() (bool, error) {
		err := s.client.Get(s.ctx, "alone", s.namespace, &alone)
		return alone.Spec.NodeName != "", err
	})
	s.eventually("the scheduler has refused the other", func() (bool, error) {
		err := s.client.Get(s.ctx, "again", s.namespace, &second)
		return slices.ContainsFunc(second.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable && strings.Contains(c.Message, "2 Insufficient memory")
		}), err
	})
	if !strings.HasSuffix(alone.Spec.NodeName, "-1") || second.Spec.NodeName != "" {
		s.Errorf("the Pod without a sidecar is on %q, the one with it on %q", alone.Spec.NodeName, second.Spec.NodeName)
	}
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
