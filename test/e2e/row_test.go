package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

// scene is what a row's steps work with: a Namespace with the row's objects in it.
type scene struct {
	*testing.T
	ctx       context.Context
	namespace string
	client    *resources.Resources
}

// others are the rows that run beside one another.
var others sync.WaitGroup

// together lets a row run beside others that do so too, after those that must be alone: that fill nodes, drain them, or install
// anew. It is called first of all.
func together(t *testing.T) {
	others.Add(1)
	t.Cleanup(others.Done)
	t.Parallel()
}

// last lets a row run when all others are done.
func last(t *testing.T) {
	t.Parallel()
	others.Wait()
}

// row runs the steps of a row in a Namespace of its own, with the objects of examples/scenarios/<file>.
func row(t *testing.T, file string, labels map[string]string, steps func(s *scene)) {
	t.Helper()
	rowAfter(t, file, labels, func(*scene) {}, steps)
}

// rowAfter is a row that needs something before its objects are created.
func rowAfter(t *testing.T, file string, labels map[string]string, before, steps func(s *scene)) {
	t.Helper()
	inNamespace(t, strings.ToLower(strings.TrimSuffix(filepath.Base(file), ".yaml")), labels, func(s *scene) {
		before(s)
		s.apply(file)
		steps(s)
	})
}

// inNamespace runs steps in a Namespace of their own; where they fail, a bundle of all there is to know is written.
func inNamespace(t *testing.T, namespace string, labels map[string]string, steps func(s *scene)) {
	t.Helper()
	feature := features.New(namespace).Assess("", func(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
		s := &scene{T: t, ctx: ctx, namespace: namespace, client: cfg.Client().Resources()}
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}}
		s.must(s.client.Create(ctx, ns))
		t.Cleanup(func() {
			if t.Failed() {
				s.bundle()
			}
			_ = s.client.Delete(context.Background(), ns, resources.WithGracePeriod(0)) // the bed ends anyway
		})
		steps(s)
		return ctx
	}).Feature()
	bed.Test(t, feature)
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// apply creates the objects of an example in the scene's Namespace.
func (s *scene) apply(file string) {
	s.Helper()
	s.kubectl("-n", s.namespace, "apply", "-f", example(file))
}

func example(file string) string { return filepath.Join("..", "..", "examples", "scenarios", file) }

// eventually tries until a condition holds.
func (s *scene) eventually(what string, holds func() (bool, error)) {
	s.Helper()
	var last error
	err := wait.For(func(context.Context) (bool, error) {
		ok, err := holds()
		last = err
		return ok && err == nil, nil
	}, wait.WithTimeout(3*time.Minute), wait.WithInterval(200*time.Millisecond), wait.WithImmediate())
	if err != nil {
		s.Fatalf("%s: %v; last: %v", what, err, last)
	}
}

// pods lists the Pods with a label, or all, oldest first.
func (s *scene) pods(selector string) []corev1.Pod {
	s.Helper()
	var list corev1.PodList
	s.must(s.client.WithNamespace(s.namespace).List(s.ctx, &list, resources.WithLabelSelector(selector)))
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return list.Items
}

// ready waits for n Pods with a label, each injected with the sidecars and ready, and gives them.
func (s *scene) ready(selector string, n int, sidecars ...string) []corev1.Pod {
	s.Helper()
	var pods []corev1.Pod
	s.eventually(fmt.Sprintf("%d ready Pods with %s", n, selector), func() (bool, error) {
		pods = slices.DeleteFunc(s.pods(selector), func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
		return len(pods) == n && !slices.ContainsFunc(pods, func(p corev1.Pod) bool { return !isReady(&p) }), nil
	})
	for i := range pods {
		s.injected(&pods[i], sidecars...)
	}
	return pods
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// injected fails where a Pod has not each sidecar as a native one.
func (s *scene) injected(p *corev1.Pod, sidecars ...string) {
	s.Helper()
	for _, name := range sidecars {
		has := slices.ContainsFunc(p.Spec.InitContainers, func(c corev1.Container) bool {
			return c.Name == name && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		})
		if !has {
			s.Errorf("Pod %s has no native sidecar %s", p.Name, name)
		}
	}
	if p.Labels["pillion.dev/injected"] != "true" {
		s.Errorf("Pod %s is not labelled as injected", p.Name)
	}
}

// get reads a page of a Pod.
func (s *scene) get(p *corev1.Pod, port int) string {
	s.Helper()
	var body string
	s.eventually(fmt.Sprintf("Pod %s answers at port %d", p.Name, port), func() (bool, error) {
		res, err := http.Get(fmt.Sprintf("http://%s/", net.JoinHostPort(p.Status.PodIP, fmt.Sprint(port))))
		if err != nil {
			return false, err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		body = string(b)
		return res.StatusCode == http.StatusOK, err
	})
	return body
}

// exec runs a command in a container and gives what it prints.
func (s *scene) exec(p *corev1.Pod, container string, command ...string) string {
	s.Helper()
	var stdout, stderr bytes.Buffer
	if err := s.client.ExecInPod(s.ctx, s.namespace, p.Name, container, command, &stdout, &stderr); err != nil {
		s.Fatalf("%s in %s: %v\n%s", command, container, err, stderr.String())
	}
	return stdout.String()
}

// execLast runs a command that ends its container, and with it perhaps the command itself before it can say how it went.
func (s *scene) execLast(p *corev1.Pod, container string, command ...string) {
	s.Helper()
	var output bytes.Buffer
	if err := s.client.ExecInPod(s.ctx, s.namespace, p.Name, container, command, &output, &output); err != nil {
		s.Logf("%s in %s: %v\n%s", command, container, err, output.String())
	}
}

// kubectl does what a person at the keyboard would, and gives what that person reads.
func (s *scene) kubectl(args ...string) string {
	s.Helper()
	out, err := command(s.ctx, "kubectl", args...)
	s.must(err)
	return out
}

// refresh reads a Pod again.
func (s *scene) refresh(p *corev1.Pod) *corev1.Pod {
	s.Helper()
	s.must(s.client.Get(s.ctx, p.Name, p.Namespace, p))
	return p
}

// container gives the status of a container, of whichever list.
func container(p *corev1.Pod, name string) corev1.ContainerStatus {
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if c.Name == name {
			return c
		}
	}
	return corev1.ContainerStatus{}
}

// lines gives the words of each line that has any.
func lines(text string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(text) {
			if words := strings.Fields(line); len(words) > 0 && !yield(words) {
				return
			}
		}
	}
}

// kubectlIn is kubectl with something to read.
func (s *scene) kubectlIn(stdin string, args ...string) string {
	s.Helper()
	cmd := exec.CommandContext(s.ctx, "kubectl", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
