package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
)

// starter is a Pod whose app dials the far end with its first breath, and ends. Nothing tries again but the kubelet what it
// could not start: an app that finds no way out fails its Pod.
func (s *scene) starter(name string, far *farEnd) *corev1.Pod {
	no, yes, user := false, true, int64(65532)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace, Annotations: map[string]string{"pillion.dev/inject": "through"}},
		Spec: corev1.PodSpec{
			RestartPolicy:   corev1.RestartPolicyNever,
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "app", Image: "localhost/app:v1", Args: []string{"get", "--timeout=1m", far.url(name)},
				SecurityContext: &corev1.SecurityContext{RunAsUser: &user, AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
}

// starts creates n Pods, of which at most so many at once have not ended, and waits for the end of each. It fails where one
// did not start right, or where the far end heard of an app by another way than its proxy.
func (s *scene) starts(prefix string, n, atOnce int, far *farEnd) {
	s.Helper()
	began, created, ended := time.Now(), 0, map[string]bool{}
	for deadline := began.Add(time.Duration(n)*3*time.Second + 4*time.Minute); len(ended) < n; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%s: of %d Pods %d have not ended", prefix, created, created-len(ended))
		}
		for ; created < n && created-len(ended) < atOnce; created++ {
			s.must(s.client.Create(s.ctx, s.starter(prefix+strconv.Itoa(created), far)))
		}
		for _, p := range s.pods("") {
			if !strings.HasPrefix(p.Name, prefix) || ended[p.Name] {
				continue
			}
			switch p.Status.Phase {
			case corev1.PodFailed:
				s.Fatalf("Pod %s failed: %+v\n%+v", p.Name, p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
			case corev1.PodSucceeded:
				ended[p.Name] = true
				s.passed(p.Name, far)
				s.must(s.client.Delete(s.ctx, &p, resources.WithGracePeriod(0)))
			}
		}
	}
	s.Logf("%d Pods %s* started and ended in %.0f s, %d at once", n, prefix, time.Since(began).Seconds(), atOnce)
}

// passed checks that the far end heard of an app once, through its proxy.
func (s *scene) passed(name string, far *farEnd) {
	s.Helper()
	if seen := far.seen(name); len(seen) != 1 || !seen[0].through() {
		s.Errorf("%s leaked: the far end sees %v", name, seen)
	}
}

// startsAtOnce starts many Pods together, and tells how long the helpers held up the runtimes for them.
func (s *scene) startsAtOnce(far *farEnd) {
	s.Helper()
	const pods = 50
	s.starts("calm-", pods, pods, far)
	var metrics strings.Builder
	for _, helper := range s.helpers() {
		metrics.WriteString(s.metrics(helper))
	}
	events := []string{"RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer"}
	for _, some := range append([][]string{events}, slices.Collect(slices.Chunk(events, 1))...) {
		took := newHistogram(metrics.String(), some)
		if took.count() == 0 {
			s.Errorf("no %s was counted", some)
		}
		s.Logf("of %.0f answers to %s half took at most %g s, 99 %% at most %g s, all at most %g s", took.count(), strings.Join(some, ", "),
			took.quantile(0.5), took.quantile(0.99), took.quantile(1))
	}
}

// histogram gives by the bounds of its buckets, in seconds, how many answers were within.
type histogram map[float64]float64

// newHistogram sums up the answers to some events.
func newHistogram(metrics string, events []string) histogram {
	h := histogram{}
	for line := range strings.Lines(metrics) {
		for _, event := range events {
			if rest, ok := strings.CutPrefix(line, fmt.Sprintf(`pillion_node_event_seconds_bucket{event="%s",result="done",le="`, event)); ok {
				le, value, _ := strings.Cut(strings.TrimSpace(rest), `"} `)
				bound, _ := strconv.ParseFloat(le, 64)
				n, _ := strconv.ParseFloat(value, 64)
				h[bound] += n
			}
		}
	}
	return h
}

func (h histogram) count() float64 { return h[math.Inf(1)] }

// quantile gives the bound of the bucket in which it is.
func (h histogram) quantile(q float64) float64 {
	for _, bound := range slices.Sorted(maps.Keys(h)) {
		if h[bound] >= q*h.count() {
			return bound
		}
	}
	return math.Inf(1)
}

// startsAreTight starts Pods while the helpers are killed, stopped and replaced at random.
func (s *scene) startsAreTight(far *farEnd) {
	s.Helper()
	pods := 50
	if os.Getenv("PILLION_PROVE") == "1" {
		pods = 950
	}
	ctx, end := context.WithCancel(s.ctx)
	var disturber sync.WaitGroup
	disturber.Go(func() { s.disturb(ctx) })
	defer disturber.Wait()
	defer end()
	s.starts("tight-", pods, 15, far)
	end()
	disturber.Wait()
	s.helpers()
	s.toldOf("tight-")
}

// disturb kills, stops and replaces helpers until the context ends. A container that is killed again and again is started
// later and later; a Pod that is replaced is not.
func (s *scene) disturb(ctx context.Context) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, seed))
	var killed, stopped, replaced int
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-time.After(time.Duration(random.IntN(12_000)) * time.Millisecond):
		}
		switch pid := agent(); {
		case random.IntN(3) == 0 && pid != 0 && killed < 3:
			killed++
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		case random.IntN(2) == 0 && pid != 0:
			stopped++
			_ = syscall.Kill(pid, syscall.SIGSTOP)
			time.Sleep(3 * time.Second)
			_ = syscall.Kill(pid, syscall.SIGCONT)
		default:
			replaced++
			var list corev1.PodList
			if s.client.WithNamespace(system).List(s.ctx, &list, helperPods) == nil && len(list.Items) > 0 {
				_ = s.client.Delete(s.ctx, &list.Items[random.IntN(len(list.Items))], resources.WithGracePeriod(0))
			}
		}
	}
	s.Logf("seed %d: helpers were killed %d times, stopped for 3 s %d times, replaced without grace %d times", seed, killed, stopped, replaced)
}

// agent finds the process of this node's helper; 0 where there is none.
func agent() int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.HasPrefix(text, []byte("/pillion-node\x00agent\x00")) {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			return pid
		}
	}
	return 0
}

// toldOf prints what the events said of Pods that had to wait, each thing once.
func (s *scene) toldOf(prefix string) {
	s.Helper()
	var events corev1.EventList
	s.must(s.client.WithNamespace(s.namespace).List(s.ctx, &events))
	said := map[string]int{}
	for _, e := range events.Items {
		if e.Type == corev1.EventTypeWarning && strings.HasPrefix(e.InvolvedObject.Name, prefix) {
			said[e.Message]++
		}
	}
	for message, n := range said {
		s.Logf("%d events: %s", n, message)
	}
}

// waitsForTheHelper takes the helper away from the nodes: a Pod that needs it waits, and says for what; one that does not is as
// ever; with the helper the first goes on.
func (s *scene) waitsForTheHelper(far *farEnd, shop *corev1.Pod) {
	s.Helper()
	s.kubectl("-n", system, "patch", "daemonset", "pillion-node", "--patch", `{"spec": {"template": {"spec": {"nodeSelector": {"pillion.dev/none": "here"}}}}}`)
	s.eventually("the helper is gone", func() (bool, error) {
		var list corev1.PodList
		err := s.client.WithNamespace(system).List(s.ctx, &list, helperPods)
		return len(list.Items) == 0, err
	})
	waiting := s.starter("waiting", far)
	s.must(s.client.Create(s.ctx, waiting))
	alone := asking("")
	alone.Name, alone.Namespace = "alone", s.namespace
	alone.Spec.SecurityContext, alone.Spec.Containers[0].SecurityContext = waiting.Spec.SecurityContext, waiting.Spec.Containers[0].SecurityContext
	s.must(s.client.Create(s.ctx, alone))
	s.Log(s.said("waiting", `required plugin "pillion" not present`))
	s.pod("alone")
	s.exec(shop, "app", "/app", "get", far.url("meanwhile")) // its rules are still there
	if seen := far.seen("meanwhile"); len(seen) != 1 || !seen[0].through() {
		s.Errorf("without the helper the far end sees %v", seen)
	}
	s.kubectl("-n", system, "patch", "daemonset", "pillion-node", "--type=json", "--patch", `[{"op": "remove", "path": "/spec/template/spec/nodeSelector/pillion.dev~1none"}]`)
	s.helpers()
	s.eventually("the Pod that waited has ended well", func() (bool, error) {
		return s.refresh(waiting).Status.Phase == corev1.PodSucceeded, nil
	})
	s.passed("waiting", far)
}
