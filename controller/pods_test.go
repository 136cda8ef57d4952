package controller

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// tailEntry is an entry with a parameter.
const tailEntry = `{"apiVersion":"pillion.dev/v1alpha1","kind":%q,"metadata":{"name":"tail","namespace":%q},"spec":{
  "description":"%s","parameters":{"file":{"type":"path","default":"/var/log/app.log","description":"A file."}},
  "containers":[{"name":"tail","image":"registry.example/tail:1","args":["-f","$(params.file)"],
    "resources":{"requests":{"cpu":"1m","memory":"1Mi"},"limits":{"cpu":"10m","memory":"8Mi"}}}]}}`

func tail(t testing.TB, namespace, description string) *sidecars.Entry {
	t.Helper()
	kind := v1alpha1.KindSidecar
	text := fmt.Sprintf(tailEntry, kind, namespace, description)
	if namespace == "" {
		text = strings.Replace(fmt.Sprintf(tailEntry, v1alpha1.KindClusterSidecar, "", description), `,"namespace":""`, "", 1)
	}
	e, errs := sidecars.Parse([]byte(text))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return e
}

// podWithTail is a Pod as the API server gives it, with much that does not matter.
func podWithTail(namespace, name, revision string) *corev1.Pod {
	status := fmt.Sprintf(`{"v":1,"sidecars":[{"name":"tail","rev":%q,"containers":["tail"]}]}`, revision)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: "u", ResourceVersion: "1",
		Labels: map[string]string{v1alpha1.LabelInjected: "true", "app": "web", "pod-template-hash": "5d9c7b8f6"},
		Annotations: map[string]string{v1alpha1.AnnotationInject: "tail", v1alpha1.AnnotationStatus: status,
			"pillion.dev/tail.file": "/log/a.log", v1alpha1.AnnotationFilePrefix + "tail.config": strings.Repeat("x", 2000),
			"kubectl.kubernetes.io/last-applied-configuration": strings.Repeat("y", 1500)}}}
	for range 3 {
		pod.ManagedFields = append(pod.ManagedFields, metav1.ManagedFieldsEntry{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(strings.Repeat("f", 1500))})
	}
	pod.Spec.InitContainers = []corev1.Container{{Name: "tail", Image: "registry.example/tail:1", Args: []string{"-f", "/log/a.log"}}}
	for i := range 2 {
		c := corev1.Container{Name: fmt.Sprint("app-", i), Image: "registry.example/app:1"}
		for j := range 10 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprint("VARIABLE_", j), Value: strings.Repeat("v", 30)})
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, ImageID: strings.Repeat("i", 100)})
	}
	return pod
}

// counting is a Pods without an API server, and what it tells.
type counting struct {
	*Pods
	told []string
}

func newCounting() *counting {
	c := new(counting)
	namespaces := NewNamespaces(nil, func(ns string) { c.tellOf(ns) }, slog.New(slog.DiscardHandler))
	c.Pods = NewPods(nil, namespaces, func(ns, name string) { c.told = append(c.told, ns+"/"+name) }, slog.New(slog.DiscardHandler))
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPodsAreCountedByWhatTheyCarry(t *testing.T) {
	p := newCounting()
	entry := tail(t, "", "Tails.")
	catalog := sidecars.NewCatalog(entry)
	key := sidecars.Key{Name: "tail"}
	want := func(step string, n v1alpha1.PodCounts, told ...string) {
		t.Helper()
		if diff := cmp.Diff(n, p.counts(catalog, key)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", step, diff)
		}
		if diff := cmp.Diff(told, p.told); diff != "" {
			t.Errorf("%s: told (-want +got)\n%s", step, diff)
		}
		p.told = nil
	}
	a, b := podWithTail("shop", "a", entry.Revision), podWithTail("shop", "b", entry.Revision)
	must(t, p.Replace([]any{a, b, podWithTail("blog", "a", entry.Revision)}, ""))
	want("three Pods", v1alpha1.PodCounts{Current: 3}, "shop/tail", "shop/tail", "blog/tail")
	if n := len(p.byName["tail"]["shop"]); n != 1 {
		t.Errorf("two Pods of a kind are kept %d times", n)
	}

	b.Status.PodIP = "10.0.0.1"
	must(t, p.Update(b))
	want("a change that does not matter", v1alpha1.PodCounts{Current: 3})

	b.Spec.InitContainers[0].Image = "mirror.example/tail:1"
	must(t, p.Update(b))
	want("another image", v1alpha1.PodCounts{Current: 2, Changed: 1}, "shop/tail")

	catalog = sidecars.NewCatalog(tail(t, "", "Tails another way."))
	want("another revision", v1alpha1.PodCounts{Outdated: 3})
	catalog = sidecars.NewCatalog(entry)

	a.Status.Phase = corev1.PodFailed
	must(t, p.Update(a))
	want("a Pod that ended", v1alpha1.PodCounts{Current: 1, Changed: 1}, "shop/tail")
	must(t, p.Delete(b))
	want("a Pod that is gone", v1alpha1.PodCounts{Current: 1}, "shop/tail")
	must(t, p.Replace(nil, ""))
	want("all are gone", v1alpha1.PodCounts{}, "blog/tail")
	if n := len(p.byName) + len(p.carried); n != 0 {
		t.Errorf("%d things are left of Pods that are gone", n)
	}
}

func TestAnotherDefaultOfTheNamespaceChangesItsPods(t *testing.T) {
	p := newCounting()
	entry := tail(t, "", "Tails.")
	pod := podWithTail("shop", "a", entry.Revision)
	delete(pod.Annotations, "pillion.dev/tail.file")
	pod.Spec.InitContainers[0].Args = []string{"-f", "/var/log/app.log"}
	must(t, p.Add(pod))
	catalog := sidecars.NewCatalog(entry)
	if n := p.counts(catalog, entry.Key()); n != (v1alpha1.PodCounts{Current: 1}) {
		t.Errorf("%+v", n)
	}
	ns := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "shop", Annotations: map[string]string{"pillion.dev/tail.file": "/x", "other": "y"}}}
	must(t, p.namespaces.Add(ns))
	if n := p.counts(catalog, entry.Key()); n != (v1alpha1.PodCounts{Changed: 1}) {
		t.Errorf("%+v", n)
	}
	if diff := cmp.Diff([]string{"shop/tail", "shop/tail"}, p.told); diff != "" {
		t.Errorf("told (-want +got)\n%s", diff)
	}
	ns.Annotations["other"] = "z"
	must(t, p.namespaces.Add(ns))
	if len(p.told) != 2 {
		t.Errorf("an annotation that is not Pillion's is told: %q", p.told)
	}
}

func TestASidecarThatGivesWayHasNoPods(t *testing.T) {
	p := newCounting()
	shop, blog := tail(t, "shop", "Tails."), tail(t, "blog", "Tails a blog.")
	must(t, p.Add(podWithTail("shop", "a", shop.Revision)))
	must(t, p.Add(podWithTail("blog", "a", shop.Revision)))
	own := sidecars.NewCatalog(shop, blog)
	for key, want := range map[sidecars.Key]v1alpha1.PodCounts{shop.Key(): {Current: 1}, blog.Key(): {Outdated: 1}} {
		if n := p.counts(own, key); n != want {
			t.Errorf("%s: %+v", key, n)
		}
	}
	cluster := tail(t, "", "Tails all.")
	for _, c := range []*sidecars.Catalog{sidecars.NewCatalog(shop, blog, cluster), sidecars.Assemble([]*sidecars.Entry{shop, blog}, map[sidecars.Key]string{cluster.Key(): "bad"})} {
		if n := p.counts(c, shop.Key()); n != (v1alpha1.PodCounts{}) {
			t.Errorf("%+v", n)
		}
		if n := p.counts(c, cluster.Key()); n != (v1alpha1.PodCounts{Outdated: 2}) {
			t.Errorf("%+v", n)
		}
	}
}

func TestAStatusThatAnyoneWroteIsBounded(t *testing.T) {
	p := newCounting()
	pod := podWithTail("shop", "a", "x")
	st := v1alpha1.Status{Version: 1}
	for i := range 5000 {
		st.Sidecars = append(st.Sidecars, v1alpha1.InjectedSidecar{Name: fmt.Sprint("s", i)}, v1alpha1.InjectedSidecar{Name: "s0"})
	}
	text, err := json.Marshal(st)
	must(t, err)
	pod.Annotations[v1alpha1.AnnotationStatus] = string(text)
	must(t, p.Add(pod))
	if n := len(p.byName); n == 0 || n > mostSidecars {
		t.Errorf("%d sidecars are known of one Pod", n)
	}
	for _, bad := range []string{"", "{", `{"v":2,"sidecars":[{"name":"tail"}]}`, "null"} {
		pod.Annotations[v1alpha1.AnnotationStatus] = bad
		must(t, p.Update(pod))
		if len(p.byName) != 0 {
			t.Errorf("%q: %v", bad, p.byName)
		}
	}
}

// TestPodsAreKeptSmall compares what 1,000 Pods take with what they would take whole.
func TestPodsAreKeptSmall(t *testing.T) {
	const pods = 1000
	one := func(i int) *corev1.Pod { return podWithTail("shop", fmt.Sprint("web-5d9c7b8f6-", i), "0123456789ab") }
	whole := heapOf(func() any {
		var all []any
		for i := range pods {
			all = append(all, one(i))
		}
		return all
	})
	alike := heapOf(func() any {
		p := newCounting()
		for i := range pods {
			must(t, p.Add(one(i)))
		}
		return p
	})
	different := heapOf(func() any {
		p := newCounting()
		for i := range pods {
			pod := one(i)
			pod.Spec.InitContainers[0].Args = []string{"-f", fmt.Sprint("/log/", i)}
			must(t, p.Add(pod))
		}
		return p
	})
	t.Logf("bytes for each of %d Pods: whole %d, counted %d, counted where no two are alike %d", pods, whole/pods, alike/pods, different/pods)
	if alike*10 > whole || different*5 > whole {
		t.Errorf("whole Pods take %d bytes, counted ones %d, or %d where no two are alike", whole, alike, different)
	}
}

// heapOf gives the bytes that what build makes holds.
func heapOf(build func() any) int {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	made := build()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(made)
	return int(after.HeapAlloc) - int(before.HeapAlloc)
}

// BenchmarkCounts counts 1,000 kinds of Pods again, after a change of one of them.
func BenchmarkCounts(b *testing.B) {
	p := newCounting()
	entry := tail(b, "", "Tails.")
	for i := range 1000 {
		pod := podWithTail("shop", fmt.Sprint("web-", i), entry.Revision)
		pod.Spec.InitContainers[0].Args = []string{"-f", fmt.Sprint("/log/", i)}
		must(b, p.Add(pod))
	}
	catalogs := []*sidecars.Catalog{sidecars.NewCatalog(entry), sidecars.NewCatalog(tail(b, "", "Tails."))}
	b.Run("nothing changed", func(b *testing.B) {
		for b.Loop() {
			p.counts(catalogs[0], entry.Key())
		}
	})
	b.Run("the entry changed", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			p.counts(catalogs[i%2], entry.Key())
		}
	})
}

func TestSlimPodsStayAsTheyAre(t *testing.T) {
	once, err := slimPod(podWithTail("shop", "a", "x"))
	must(t, err)
	twice, err := slimPod(once)
	must(t, err)
	if once != twice {
		t.Error("a slim Pod is slimmed again")
	}
	s := once.(*slimmed)
	if !slices.Equal(s.names, []string{"tail"}) || strings.Contains(s.pods[0], "file.tail") || strings.Contains(s.pods[0], "VARIABLE") || !strings.Contains(s.pods[0], "/log/a.log") {
		t.Errorf("%q", s.pods)
	}
}
