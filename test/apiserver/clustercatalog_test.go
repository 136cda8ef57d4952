package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/golden"
	"github.com/pillion-dev/pillion/test/serving"
	"github.com/pillion-dev/pillion/webhook"
)

// ownPlane is a control plane of these tests: they stop it, and count the entries it has. Nothing validates what is written.
type ownPlane struct {
	*cluster.Cluster
	config *rest.Config
	client dynamic.Interface
}

var startOwn = sync.OnceValues(func() (*ownPlane, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	control, err := cluster.Start(ctx, cluster.Config{Log: os.Stderr})
	if err != nil {
		return nil, err
	}
	plane.stop = append(plane.stop, control.Stop)
	p := &ownPlane{Cluster: control}
	if p.config, err = clientcmd.BuildConfigFromFlags("", control.Kubeconfig()); err != nil {
		return nil, err
	}
	fast := rest.CopyConfig(p.config)
	fast.QPS = -1
	p.client, err = dynamic.NewForConfig(fast)
	return p, err
})

var (
	definitionsResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	namespacesResource  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	clusterResource     = schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "clustersidecars"}
	sidecarsResource    = schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "sidecars"}
)

// useOwn gives the control plane, with the definitions, the Namespaces shop and blog, and no entry.
func useOwn(t *testing.T) *ownPlane {
	t.Helper()
	p, err := startOwn()
	if err != nil {
		t.Fatal(err)
	}
	p.define(t)
	p.namespaces(t, "shop", "blog")
	p.clear(t)
	return p
}

func (p *ownPlane) namespaces(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		p.apply(t, namespacesResource, &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}})
	}
}

func (p *ownPlane) define(t *testing.T) {
	t.Helper()
	for _, text := range crds.All() {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &u.Object); err != nil {
			t.Fatal(err)
		}
		p.apply(t, definitionsResource, u)
	}
	await(t, "both kinds are served", func() error {
		_, err := p.client.Resource(clusterResource).List(t.Context(), metav1.ListOptions{})
		_, err2 := p.client.Resource(sidecarsResource).List(t.Context(), metav1.ListOptions{})
		return errors.Join(err, err2)
	})
}

// undefine removes the definitions, and every entry with them.
func (p *ownPlane) undefine(t *testing.T) {
	t.Helper()
	for _, r := range []schema.GroupVersionResource{clusterResource, sidecarsResource} {
		if err := p.client.Resource(definitionsResource).Delete(t.Context(), r.GroupResource().String(), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "no kind is served", func() error {
		for _, r := range []schema.GroupVersionResource{clusterResource, sidecarsResource} {
			if _, err := p.client.Resource(r).List(t.Context(), metav1.ListOptions{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("%s: %w", r.Resource, err)
			}
		}
		return nil
	})
}

func (p *ownPlane) clear(t *testing.T) {
	t.Helper()
	err := p.client.Resource(clusterResource).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
	for _, ns := range []string{"shop", "blog"} {
		err = errors.Join(err, p.client.Resource(sidecarsResource).Namespace(ns).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// resourceOf gives the resource of the entries with such a key.
func (p *ownPlane) resourceOf(key sidecars.Key) dynamic.ResourceInterface {
	if key.Namespace == "" {
		return p.client.Resource(clusterResource)
	}
	return p.client.Resource(sidecarsResource).Namespace(key.Namespace)
}

func (p *ownPlane) apply(t *testing.T, resource schema.GroupVersionResource, u *unstructured.Unstructured) {
	t.Helper()
	if _, err := p.client.Resource(resource).Apply(t.Context(), u.GetName(), u, metav1.ApplyOptions{FieldManager: "test", Force: true}); err != nil {
		t.Fatal(err)
	}
}

// put writes an entry, new or not.
func (p *ownPlane) put(ctx context.Context, text []byte) error {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(text); err != nil {
		return err
	}
	key := sidecars.Key{Namespace: u.GetNamespace(), Name: u.GetName()}
	_, err := p.resourceOf(key).Apply(ctx, key.Name, u, metav1.ApplyOptions{FieldManager: "test", Force: true})
	return err
}

func (p *ownPlane) delete(t *testing.T, key sidecars.Key) {
	t.Helper()
	if err := p.resourceOf(key).Delete(t.Context(), key.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// versions are entries by their key, each with the tag of its image: what tests vary.
type versions map[sidecars.Key]string

// badVersion is that of an entry whose mistake the API server does not see.
const badVersion = "bad"

func entryAt(t *testing.T, key sidecars.Key, version string) []byte {
	t.Helper()
	kind, more := v1alpha1.KindClusterSidecar, ""
	if key.Namespace != "" {
		kind = v1alpha1.KindSidecar
	}
	if version == badVersion {
		more = "      args: [$(params.nobody)]\n"
	}
	object := entryJSON(t, kind, key.Name, key.Namespace, more)
	return bytes.Replace(object, []byte("sidecar:1"), []byte("sidecar:"+version), 1)
}

// write writes entries, and deletes those without a version.
func (p *ownPlane) write(t *testing.T, entries versions) {
	t.Helper()
	for key, version := range entries {
		if version == "" {
			p.delete(t, key)
		} else if err := p.put(t.Context(), entryAt(t, key, version)); err != nil {
			t.Fatal(err)
		}
	}
}

// following is a catalog that follows an API server until the test ends, as the webhook's does.
type following struct {
	*webhook.ClusterCatalog
	metrics *webhook.Metrics
	log     *logLines
}

// logLines is a log that can be read while it is written.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// count counts the lines with a message.
func (l *logLines) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), `"msg":"`+message+`"`)
}

// follow returns when the catalog is ready.
func follow(t *testing.T, config *rest.Config) *following {
	t.Helper()
	f := &following{metrics: webhook.NewMetrics(), log: new(logLines)}
	var err error
	if f.ClusterCatalog, err = webhook.WatchCatalog(config, slog.New(slog.NewJSONHandler(f.log, nil)), f.metrics); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { defer close(ended); f.Watch(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	await(t, "the catalog is read", func() error { _, err := f.note(); return err })
	return f
}

func (f *following) note() (string, error) { return f.Check().Run() }

// exposed gives a metric's line.
func (f *following) exposed(name string) string {
	w := httptest.NewRecorder()
	f.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "absent"
}

// inForce gives the API server's entries that are in force.
func (f *following) inForce() versions {
	got := versions{}
	for _, e := range f.Current().All() {
		if e.Layer != sidecars.LayerEmbedded && len(e.Spec.Containers) > 0 {
			got[e.Key()] = strings.TrimPrefix(strings.Trim(string(e.Spec.Containers[0].Body["image"]), `"`), "registry.example/sidecar:")
		}
	}
	return got
}

// await waits until exactly these entries are in force, and says how long that took.
func (f *following) await(t *testing.T, when string, want versions) time.Duration {
	t.Helper()
	began := time.Now()
	await(t, when, func() error {
		if diff := gocmp.Diff(want, f.inForce()); diff != "" {
			return errors.New("(-want +in force):\n" + diff)
		}
		return nil
	})
	return time.Since(began)
}

// inject asks for a sidecar in a Namespace and gives the answer in one line: the image that the Pod gets, or why none.
func (f *following) inject(t *testing.T, namespace, name string) string {
	t.Helper()
	pod, err := sidecars.ReadPod([]byte(`{"metadata":{"name":"p","annotations":{"pillion.dev/inject":"` + name + `"}},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	res := sidecars.Inject(f.Current(), pod, &sidecars.Namespace{Name: namespace})
	if len(res.Errors) > 0 {
		return res.Errors.ToAggregate().Error()
	}
	patch, err := json.Marshal(res.Patch)
	if err != nil {
		t.Fatal(err)
	}
	_, image, _ := strings.Cut(string(patch), `"image":"registry.example/sidecar:`)
	image, _, _ = strings.Cut(image, `"`)
	return image
}

func TestClusterCatalogFollowsEntries(t *testing.T) {
	p := useOwn(t)
	alpha, shops, blogs := sidecars.Key{Name: "alpha"}, sidecars.Key{Namespace: "shop", Name: "beta"}, sidecars.Key{Namespace: "blog", Name: "beta"}
	p.write(t, versions{alpha: "1", shops: "s1"})
	f := follow(t, p.config)
	f.await(t, "what was there is read", versions{alpha: "1", shops: "s1"})

	p.write(t, versions{alpha: "2", blogs: "b1"})
	f.await(t, "changed and made", versions{alpha: "2", shops: "s1", blogs: "b1"})
	for namespace, want := range map[string]string{"shop": "s1", "blog": "b1"} {
		if got := f.inject(t, namespace, "beta"); got != want {
			t.Errorf("Pods of %s get %s, want %s", namespace, got, want)
		}
	}
	if got := f.inject(t, "bank", "beta"); !strings.Contains(got, "no such sidecar") || strings.Contains(got, "beta,") {
		t.Errorf("Pods of a third Namespace get %s", got)
	}

	// A tenant cannot shadow an entry of the cluster; what it wrote is there when that goes.
	beta := sidecars.Key{Name: "beta"}
	p.write(t, versions{beta: "c1"})
	f.await(t, "a ClusterSidecar takes the name", versions{alpha: "2", beta: "c1", shops: "s1", blogs: "b1"})
	for _, namespace := range []string{"shop", "blog", "bank"} {
		if got := f.inject(t, namespace, "beta"); got != "c1" {
			t.Errorf("Pods of %s get %s, want the cluster's", namespace, got)
		}
	}
	p.write(t, versions{beta: "", alpha: ""})
	f.await(t, "deleted", versions{shops: "s1", blogs: "b1"})
	if got := f.inject(t, "shop", "beta"); got != "s1" {
		t.Errorf("Pods of shop get %s, want their own again", got)
	}

	embedded := sidecars.Builtin().Entry("", "proxy")
	proxy := sidecars.Key{Name: "proxy"}
	p.write(t, versions{proxy: "1"})
	f.await(t, "an embedded entry is replaced", versions{proxy: "1", shops: "s1", blogs: "b1"})
	if got := f.Current().Entry("", "proxy"); got.Layer != sidecars.LayerCluster {
		t.Errorf("proxy is of the layer %s", got.Layer)
	}
	p.write(t, versions{proxy: ""})
	f.await(t, "the embedded entry is back", versions{shops: "s1", blogs: "b1"})
	if got := f.Current().Entry("", "proxy"); got == nil || got.Revision != embedded.Revision {
		t.Errorf("proxy is %+v", got)
	}
	if got := f.exposed(`pillion_catalog_entries{layer="namespace"}`); got != "2" {
		t.Errorf("metrics: %s entries of Namespaces", got)
	}
}

func TestClusterCatalogLeavesBadEntriesOutAlone(t *testing.T) {
	p := useOwn(t)
	alpha, beta, gamma := sidecars.Key{Name: "alpha"}, sidecars.Key{Name: "beta"}, sidecars.Key{Namespace: "shop", Name: "gamma"}
	p.write(t, versions{alpha: "1", beta: "1", gamma: badVersion})
	f := follow(t, p.config)
	f.await(t, "at first", versions{alpha: "1", beta: "1"})
	p.write(t, versions{alpha: badVersion, beta: "2"})
	f.await(t, "alpha stays", versions{alpha: "1", beta: "2"})
	await(t, "both are told of", func() error {
		note, err := f.note()
		stays := "alpha, revision " + f.Current().Entry("", "alpha").Revision + " stays in force: spec.containers[0].args[0]"
		if err != nil || !strings.Contains(note, stays) || !strings.Contains(note, "shop/gamma is left out: spec.containers[0].args[0]") {
			return fmt.Errorf("readiness: %q, %w", note, err)
		}
		return nil
	})
	if got := f.exposed("pillion_catalog_entry_errors"); got != "2" {
		t.Errorf("metrics: %s entries with mistakes, want 2", got)
	}
	if got := f.inject(t, "shop", "alpha"); got != "1" {
		t.Errorf("a Pod gets %s, want the last good revision", got)
	}

	again := follow(t, p.config)
	again.await(t, "after a restart", versions{beta: "2"})
	for namespace, names := range map[string][]string{"shop": {"alpha", "gamma"}, "blog": {"alpha"}} {
		for _, name := range names {
			if got := again.inject(t, namespace, name); !strings.Contains(got, "spec.containers[0].args[0]") || !strings.Contains(got, "nobody") {
				t.Errorf("a Pod of %s that asks for %s gets: %s", namespace, name, got)
			}
		}
	}
	if got := again.inject(t, "blog", "gamma"); !strings.Contains(got, "no such sidecar") {
		t.Errorf("a Pod of another Namespace gets: %s", got)
	}
	p.write(t, versions{alpha: "3", gamma: "1"})
	again.await(t, "mended", versions{alpha: "3", beta: "2", gamma: "1"})
	f.await(t, "mended", versions{alpha: "3", beta: "2", gamma: "1"})
	if got := f.exposed("pillion_catalog_entry_errors"); got != "0" {
		t.Errorf("metrics: %s entries with mistakes, want 0", got)
	}
}

// TestClusterCatalogWithoutDefinitions: that nobody installed the CRDs, or that somebody removed them, does not keep Pods
// from the embedded sidecars.
func TestClusterCatalogWithoutDefinitions(t *testing.T) {
	p := useOwn(t)
	p.undefine(t)
	f := follow(t, p.config)
	note, err := f.note()
	for _, resource := range []string{"clustersidecars", "sidecars"} {
		if want := resource + ": the API server knows no " + resource + "; are the CRDs installed?"; err != nil || !strings.Contains(note, want) {
			t.Errorf("readiness: %q, %v, want %q", note, err, want)
		}
	}
	if diff := gocmp.Diff(sidecars.Builtin().Names(""), f.Current().Names("")); diff != "" {
		t.Errorf("(-embedded +in force):\n%s", diff)
	}
	p.define(t)
	alpha, beta := sidecars.Key{Name: "alpha"}, sidecars.Key{Namespace: "shop", Name: "beta"}
	p.write(t, versions{alpha: "1", beta: "1"})
	f.await(t, "defined", versions{alpha: "1", beta: "1"})
	await(t, "nothing is missing", func() error {
		if note, err := f.note(); err != nil || strings.Contains(note, "CRDs") {
			return fmt.Errorf("readiness: %q, %w", note, err)
		}
		return nil
	})
	p.undefine(t)
	f.await(t, "removed with their definitions", versions{})
	if _, err := f.note(); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

// TestClusterCatalogConvergesThoughWatchesAreCut cuts a hundred connections, each with the watches of both kinds, while
// entries come, change and go. There are several catalogs, for each waits a while before it tries again.
func TestClusterCatalogConvergesThoughWatchesAreCut(t *testing.T) {
	const cuts, catalogs, entries = 100, 10, 12
	p := useOwn(t)
	proxy := newCutProxy(t, p.URL())
	config := proxy.config(p)
	var all []*following
	for range catalogs {
		all = append(all, follow(t, config))
	}
	namespaces := followNamespaces(t, config)
	want, i := versions{}, 0
	for ; proxy.cutCount() < cuts; i++ {
		key := sidecars.Key{Name: fmt.Sprintf("cut%d", i%entries), Namespace: []string{"", "shop", "blog"}[i%3]}
		if _, there := want[key]; there && i%5 == 0 {
			p.write(t, versions{key: ""})
			delete(want, key)
		} else {
			want[key] = fmt.Sprint(i)
			p.write(t, versions{key: want[key]})
		}
		annotate(t, p, "shop", fmt.Sprint(i))
		proxy.cut()
	}
	last := time.Now()
	for _, f := range all {
		f.await(t, "after the last cut", want)
	}
	await(t, "Namespaces after the last cut", func() error {
		if ns, _ := namespaces.Lookup("shop"); ns.Annotations["pillion.dev/test"] != fmt.Sprint(i-1) {
			return fmt.Errorf("%+v", ns)
		}
		return nil
	})
	t.Logf("%d changes, %d connections were cut; up to date %s after the last", i, proxy.cutCount(), time.Since(last))
	for _, f := range all {
		if proofs := f.log.count("catalog entry"); proofs > i {
			t.Errorf("%d proofs of at most %d specs", proofs, i)
		}
	}
}

func followNamespaces(t *testing.T, config *rest.Config) *webhook.Namespaces {
	t.Helper()
	n, err := webhook.WatchNamespaces(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { defer close(ended); n.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return n
}

// TestClusterCatalogNoticesSilence: a peer that is gone without a word is found by the pings that cmd/pillion-webhook asks for.
func TestClusterCatalogNoticesSilence(t *testing.T) {
	t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "2")
	t.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "2")
	p := useOwn(t)
	alpha := sidecars.Key{Name: "alpha"}
	p.write(t, versions{alpha: "1"})
	proxy := newCutProxy(t, p.URL())
	f := follow(t, proxy.config(p))
	f.await(t, "at first", versions{alpha: "1"})
	if proxy.freeze() == 0 {
		t.Fatal("no connection")
	}
	p.write(t, versions{alpha: "2"})
	t.Logf("up to date after %s of silence", f.await(t, "after the silence", versions{alpha: "2"}))
}

func annotate(t *testing.T, p *ownPlane, namespace, value string) {
	t.Helper()
	p.apply(t, namespacesResource, &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": namespace, "annotations": map[string]any{"pillion.dev/test": value}}}})
}

// TestClusterCatalogWithoutTheAPIServer: what every golden Pod gets is the same with and without it, and as from a
// directory; what changes when it is back is in force soon.
func TestClusterCatalogWithoutTheAPIServer(t *testing.T) {
	p := useOwn(t)
	files, err := golden.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	fromFiles, err := sidecars.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	documents := documentsOf(t, files)
	for key, text := range documents {
		if key.Namespace != "" {
			p.namespaces(t, key.Namespace)
			t.Cleanup(func() { _ = p.resourceOf(key).Delete(context.Background(), key.Name, metav1.DeleteOptions{}) })
		}
		if err := p.put(t.Context(), text); err != nil {
			t.Fatal(key, err)
		}
	}
	f := follow(t, p.config)
	await(t, "the golden entries are read", func() error {
		if got := f.Current().Revision(); got != fromFiles.Revision() {
			return fmt.Errorf("revision %s, want %s", got, fromFiles.Revision())
		}
		return nil
	})
	want := answers(t, fromFiles)
	same := func(when string) {
		t.Helper()
		if diff := gocmp.Diff(want, answers(t, f.Current())); diff != "" {
			t.Errorf("answers %s (-from files +from the cluster):\n%s", when, diff)
		}
	}
	same("at first")

	p.StopAPIServer()
	await(t, "the API server is missed", func() error {
		if note, err := f.note(); err != nil || strings.Count(note, "connect") < 2 {
			return fmt.Errorf("readiness: %q, %w", note, err)
		}
		return nil
	})
	same("without the API server")
	if err := p.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready := time.Now()
	plain, alpha := sidecars.Key{Name: "plain"}, sidecars.Key{Name: "alpha"}
	await(t, "the API server takes writes", func() error { return p.put(t.Context(), entryAt(t, plain, "2")) })
	back := time.Now()
	p.write(t, versions{alpha: "1"})
	await(t, "the changes are in force", func() error {
		if got := f.inForce(); got[plain] != "2" || got[alpha] != "1" {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	t.Logf("%d answers; the API server takes writes %s after it is ready; up to date %s after that", len(want), back.Sub(ready), time.Since(back))
}

// answers gives what becomes of every golden Pod, to the byte.
func answers(t *testing.T, catalog *sidecars.Catalog) map[string]string {
	t.Helper()
	cases, err := golden.Cases()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range cases {
		pod, err := sidecars.ReadPod(c.Pod)
		if err != nil {
			t.Fatal(c.Name, err)
		}
		res := sidecars.Inject(catalog, pod, (*sidecars.Namespace)(&c.Namespace))
		text, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		out[c.Name] = string(text)
	}
	return out
}

// TestAThousandEntriesAreProvedOnceAndSwappedAtOnce counts; how long it takes is printed.
func TestAThousandEntriesAreProvedOnceAndSwappedAtOnce(t *testing.T) {
	const size, changes = 1000, 200
	p := useOwn(t)
	want, keys := versions{}, []sidecars.Key{}
	for i := range size {
		key := sidecars.Key{Name: fmt.Sprintf("many%d", i/4)}
		switch i % 4 {
		case 1, 2:
			key.Namespace = []string{"shop", "blog"}[i%2]
			key.Name += "-own"
		case 3:
			key.Name += "-too"
		}
		want[key], keys = "1", append(keys, key)
	}
	p.writeMany(t, keys, "1")
	proxy := newCutProxy(t, p.URL())

	began, before := time.Now(), cpuTime(t)
	f := follow(t, proxy.config(p))
	t.Logf("%d entries are in force %s after the start, %s of CPU time", size, time.Since(began), cpuTime(t)-before)
	f.await(t, "ready means read", want)
	f.wantCounts(t, "the first list", size, 2) // the kinds are listed side by side

	// Another list of the same objects is no change.
	proxy.cut()
	canary := sidecars.Key{Name: "canary"}
	p.write(t, versions{canary: "1"})
	want[canary] = "1"
	f.await(t, "after a cut", want)
	f.wantCounts(t, "another list", size+1, 3)

	proxy.pause(true)
	proxy.cut()
	p.writeMany(t, keys[:changes], "2")
	for _, key := range keys[:changes] {
		want[key] = "2"
	}
	proxy.pause(false)
	t.Logf("%d changes are in force %s after the watch could go on", changes, f.await(t, "after the burst", want))
	f.wantCounts(t, "a burst", size+1+changes, 5)
}

// wantCounts wants exactly so many proofs, and at most so many swaps.
func (f *following) wantCounts(t *testing.T, when string, proofs, swaps int) {
	t.Helper()
	gotProofs, gotSwaps := f.log.count("catalog entry"), f.log.count("catalog")
	if gotProofs != proofs || gotSwaps > swaps || gotSwaps == 0 {
		t.Errorf("after %s: %d proofs, want %d; %d swaps, want at most %d", when, gotProofs, proofs, gotSwaps, swaps)
	}
}

func (p *ownPlane) writeMany(t *testing.T, keys []sidecars.Key, version string) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(4 * runtime.GOMAXPROCS(0))
	for _, key := range keys {
		text := entryAt(t, key, version)
		group.Go(func() error { return p.put(t.Context(), text) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestTheWebhookServesTheClustersCatalog runs the program itself.
func TestTheWebhookServesTheClustersCatalog(t *testing.T) {
	p := useOwn(t)
	alpha, beta := sidecars.Key{Name: "alpha"}, sidecars.Key{Namespace: "shop", Name: "beta"}
	p.write(t, versions{alpha: "1", beta: badVersion})
	server, err := serving.Start(t.Context(), serving.Config{Kubeconfig: p.Kubeconfig(), FromCluster: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	await(t, "ready", func() error { return tellsOf(server.MetricsURL+"/readyz", "ok") })
	for path, want := range map[string][]string{
		"/readyz?verbose": {"[+]catalog ok", "shop/beta is left out: spec.containers[0].args[0]", "[+]namespaces ok"},
		"/metrics":        {"pillion_catalog_entry_errors 1\n", `pillion_catalog_entries{layer="cluster"} 1` + "\n", "pillion_catalog_last_reload_success 1\n"},
	} {
		for _, text := range want {
			if err := tellsOf(server.MetricsURL+path, text); err != nil {
				t.Error(err)
			}
		}
	}
	p.write(t, versions{beta: "1"})
	await(t, "mended", func() error {
		return tellsOf(server.MetricsURL+"/metrics", `pillion_catalog_entries{layer="namespace"} 1`+"\n")
	})
	p.StopAPIServer()
	await(t, "the API server is missed", func() error { return tellsOf(server.MetricsURL+"/readyz?verbose", "sidecars: ") })
	if err := tellsOf(server.MetricsURL+"/readyz", "ok"); err != nil {
		t.Error(err)
	}
	if err := p.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the API server takes writes", func() error { return p.put(t.Context(), entryAt(t, sidecars.Key{Name: "gamma"}, "1")) })
	await(t, "up to date", func() error {
		return tellsOf(server.MetricsURL+"/metrics", `pillion_catalog_entries{layer="cluster"} 2`+"\n")
	})
}

// tellsOf wants 200 and a text from an URL.
func tellsOf(url, want string) error {
	res, err := http.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
		lines := strings.Split(string(text), "\n")
		return fmt.Errorf("%s: %s, %w, no %q in:\n%s", url, res.Status, err, want, strings.Join(slices.DeleteFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, "#") || strings.HasPrefix(l, "go_") || strings.HasPrefix(l, "process_")
		}), "\n"))
	}
	return nil
}
