package e2e

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
)

// metricsPort is the one of the helper's metrics, as the chart has it.
const metricsPort = 9105

// helperPods selects the helper's Pods.
var helperPods = resources.WithLabelSelector("app.kubernetes.io/component=node")

// helpers gives the helper's Pods, by node, once they are ready; the entries that the scene needs are known to them.
func (s *scene) helpers(entries ...string) map[string]*corev1.Pod {
	s.Helper()
	out := map[string]*corev1.Pod{}
	s.eventually("a ready helper on every node", func() (bool, error) {
		clear(out)
		var list corev1.PodList
		err := s.client.WithNamespace(system).List(s.ctx, &list, helperPods)
		for i := range list.Items {
			if p := &list.Items[i]; isReady(p) && p.DeletionTimestamp == nil {
				out[p.Spec.NodeName] = p
			}
		}
		return len(out) == 2, err
	})
	for _, entry := range entries {
		s.known(entry)
	}
	return out
}

// known waits until the controller has written what an entry asks of the helper, and has the kubelets hand it on: they look at
// a Pod's ConfigMaps once a minute, and whenever the Pod itself is changed.
func (s *scene) known(entry string) {
	s.Helper()
	s.eventually("the profile of "+entry, func() (bool, error) {
		revision, err := command(s.ctx, "kubectl", "get", "clustersidecar", entry, "-o", "jsonpath={.status.revision}")
		if err != nil {
			return false, err
		}
		var m corev1.ConfigMap
		err = s.client.Get(s.ctx, "pillion-node-profiles", system, &m)
		_, known := m.Data[entry+"."+revision]
		return known, err
	})
	s.handOn()
}

// handOn has the kubelets read the helpers' ConfigMaps now.
func (s *scene) handOn() {
	s.Helper()
	s.kubectl("-n", system, "annotate", "pods", "-l", "app.kubernetes.io/component=node", "--overwrite",
		fmt.Sprintf("pillion.dev/profiles-looked-at=%d", time.Now().UnixNano()))
}

// embedded waits for the helpers, and until they know what an entry asks that Pillion brings along.
func (s *scene) embedded(entry string) {
	s.Helper()
	s.helpers()
	s.eventually("the profile of "+entry, func() (bool, error) {
		var m corev1.ConfigMap
		err := s.client.Get(s.ctx, "pillion-node-profiles", system, &m)
		return slices.ContainsFunc(slices.Collect(maps.Keys(m.Data)), func(key string) bool { return strings.HasPrefix(key, entry+".") }), err
	})
	s.handOn()
}

// inHelper runs the helper's program in its Pod on a node.
func (s *scene) inHelper(helper *corev1.Pod, args ...string) (string, error) {
	s.Helper()
	var stdout, stderr bytes.Buffer
	err := s.client.ExecInPod(s.ctx, system, helper.Name, "node", append([]string{"/pillion-node"}, args...), &stdout, &stderr)
	if err != nil {
		err = fmt.Errorf("pillion-node %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), err
}

// metrics reads a helper's metrics.
func (s *scene) metrics(helper *corev1.Pod) string {
	s.Helper()
	res, err := http.Get(fmt.Sprintf("http://%s/metrics", net.JoinHostPort(helper.Status.PodIP, fmt.Sprint(metricsPort))))
	s.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	s.must(err)
	return string(text)
}

// here applies an example with its Pods on this node, in whose namespaces the tests run.
func (s *scene) here(file string) (node string) {
	s.Helper()
	node, err := os.Hostname()
	s.must(err)
	text, err := os.ReadFile(example(file))
	s.must(err)
	s.kubectlIn(strings.ReplaceAll(string(text), "kubernetes.io/os: linux", "kubernetes.io/hostname: "+node), "-n", s.namespace, "apply", "-f", "-")
	return node
}

// everywhere adds entries for all Namespaces, until the end of the row. The path to who proves them may not be there yet.
func (s *scene) everywhere(file string) {
	s.Helper()
	s.eventually("the entries of "+file+" are taken", func() (bool, error) {
		out, err := command(s.ctx, "kubectl", "apply", "-f", example(file))
		if err != nil && !strings.Contains(out, "connection refused") {
			s.Fatal(err)
		}
		return err == nil, err
	})
	s.kubectl("wait", "--for=condition=Ready", "-f", example(file), "--timeout=1m")
	s.Cleanup(func() { s.kubectl("delete", "--ignore-not-found", "-f", example(file)) })
}

// pod waits until a Pod is ready.
func (s *scene) pod(name string) *corev1.Pod {
	s.Helper()
	var pod corev1.Pod
	s.eventually(name+" is ready", func() (bool, error) {
		err := s.client.Get(s.ctx, name, s.namespace, &pod)
		return err == nil && isReady(&pod), err
	})
	return &pod
}

// said waits for an event of a Pod with a text.
func (s *scene) said(pod, text string) string {
	s.Helper()
	var message string
	s.eventually(fmt.Sprintf("an event of %s with %q", pod, text), func() (bool, error) {
		var events corev1.EventList
		err := s.client.WithNamespace(s.namespace).List(s.ctx, &events)
		for _, e := range events.Items {
			if e.InvolvedObject.Name == pod && strings.Contains(e.Message, text) {
				message = e.Message
			}
		}
		return message != "", err
	})
	return message
}

// applyText applies a text and gives what kubectl says.
func (s *scene) applyText(text string) (string, error) {
	cmd := exec.CommandContext(s.ctx, "kubectl", "-n", s.namespace, "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
