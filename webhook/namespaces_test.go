package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/pillion-dev/pillion/sidecars"
)

// apiServer serves lists and watches of Namespaces' metadata, as much of it as an informer asks for.
type apiServer struct {
	*httptest.Server
	mu      sync.Mutex
	objects []metav1.PartialObjectMetadata
	changes chan metav1.PartialObjectMetadata
	reads   int
	// starting is how many requests get the answer of an API server that is about to start.
	starting int
	gone     chan struct{}
	stop     func()
}

func newAPIServer(t *testing.T, objects ...metav1.PartialObjectMetadata) *apiServer {
	s := &apiServer{objects: objects, changes: make(chan metav1.PartialObjectMetadata), gone: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	// stop ends every watch and refuses new connections.
	s.stop = sync.OnceFunc(func() {
		close(s.gone)
		s.Listener.Close()
		s.CloseClientConnections()
		s.Close()
	})
	t.Cleanup(s.stop)
	return s
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	s.mu.Lock()
	starting := s.starting > 0
	s.starting--
	s.mu.Unlock()
	switch {
	case starting:
		w.Header().Set("Retry-After", "300")
		http.Error(w, "not yet", http.StatusServiceUnavailable)
	case r.URL.Path != "/api/v1/namespaces":
		http.NotFound(w, r)
	case q.Get("sendInitialEvents") == "true": // an older API server: the informer lists instead
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)
	case q.Get("watch") != "":
		s.watch(w, r)
	default:
		s.mu.Lock()
		s.reads++
		list := metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadataList", APIVersion: "meta.k8s.io/v1"},
			ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: s.objects}
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(list)
	}
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request) {
	flusher := http.NewResponseController(w)
	_ = flusher.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-s.gone:
			return
		case object := <-s.changes:
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "MODIFIED", "object": object})
			_ = flusher.Flush()
		}
	}
}

func namespace(name, version string, labels, annotations map[string]string) metav1.PartialObjectMetadata {
	return metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version, Labels: labels, Annotations: annotations,
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}}}
}

func TestNamespacesAreKnownWithTheAPIServerAndStayKnownWithoutIt(t *testing.T) {
	labels := map[string]string{"pillion.dev/injection": "enabled", "team": "a"}
	server := newAPIServer(t, namespace("shop", "1", labels, map[string]string{"pillion.dev/inject": "alpha", "other.example/note": "long"}))
	n, err := WatchNamespaces(&rest.Config{Host: server.URL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, known := n.Lookup("shop"); known || n.Synced() {
		t.Error("known before the first reading")
	}
	if _, err := n.Check().Run(); err == nil {
		t.Error("ready before the first reading")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { n.Run(ctx); close(ended) }()
	if !cache.WaitForCacheSync(ctx.Done(), n.Synced) {
		t.Fatal("not synced")
	}
	if note, err := n.Check().Run(); err != nil || note != "1 known" {
		t.Errorf("readiness: %q, %v", note, err)
	}

	expect := func(when string, want sidecars.Namespace) {
		t.Helper()
		got, known := n.Lookup("shop")
		if diff := cmp.Diff(want, got); diff != "" || !known {
			t.Errorf("%s: known %v (-want +got):\n%s", when, known, diff)
		}
	}
	want := sidecars.Namespace{Name: "shop", Labels: labels, Annotations: map[string]string{"pillion.dev/inject": "alpha"}}
	expect("at first", want)
	server.changes <- namespace("shop", "2", labels, map[string]string{"pillion.dev/inject": "beta"})
	await(t, "the change", func() bool {
		ns, _ := n.Lookup("shop")
		return ns.Annotations["pillion.dev/inject"] == "beta"
	})
	want.Annotations = map[string]string{"pillion.dev/inject": "beta"}
	expect("changed", want)
	if got, known := n.Lookup("other"); known || cmp.Diff(sidecars.Namespace{Name: "other"}, got) != "" {
		t.Errorf("a Namespace that is not there: %+v, %v", got, known)
	}

	server.stop()
	expect("without the API server", want)
	await(t, "the trouble", func() bool { return n.why() != "" })
	if note, err := n.Check().Run(); err != nil || !n.Synced() || !strings.Contains(note, "1 known\n") {
		t.Errorf("not ready without the API server: %q, %v", note, err)
	}
	cancel()
	<-ended
}

func TestNamespacesKeepNothingThatNoRuleReads(t *testing.T) {
	in := namespace("shop", "7", map[string]string{"a": "b"}, map[string]string{"pillion.dev/inject": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"})
	in.CreationTimestamp = metav1.Now()
	before := in.DeepCopy()
	got, err := slim(&in)
	if err != nil {
		t.Fatal(err)
	}
	want := &metav1.PartialObjectMetadata{TypeMeta: in.TypeMeta, ObjectMeta: metav1.ObjectMeta{
		Name: "shop", ResourceVersion: "7", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"pillion.dev/inject": "x"}}}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, &in); diff != "" {
		t.Errorf("the object itself was changed:\n%s", diff)
	}
	if again, err := slim(got); err != nil || cmp.Diff(got, again) != "" {
		t.Errorf("done again: %v, %v", again, err)
	}
	if got, err := slim("shop"); err == nil {
		t.Errorf("got %v", got)
	}
}

// TestAnAPIServerThatStartsIsAskedAgainSoon: client-go alone would obey the server and leave it alone for minutes.
func TestAnAPIServerThatStartsIsAskedAgainSoon(t *testing.T) {
	server := newAPIServer(t, namespace("shop", "1", nil, nil))
	server.starting = 2
	log, lines := newLog(slog.LevelInfo)
	n, err := WatchNamespaces(&rest.Config{Host: server.URL}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { n.Run(ctx); close(ended) }()
	await(t, "the Namespaces", n.Synced)
	cancel()
	<-ended
	want := `{"level":"WARN","msg":"the API server cannot be asked; it is tried until it can be","resource":"namespaces","error":"the server is currently unable to handle the request"}` + "\n" +
		`{"level":"INFO","msg":"the API server answers again","resource":"namespaces"}` + "\n"
	if diff := cmp.Diff(want, lines.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNamespacesAreForgottenThatAreGone has a Reflector's calls come in every order.
func TestNamespacesAreForgottenThatAreGone(t *testing.T) {
	n, err := WatchNamespaces(&rest.Config{Host: "http://nowhere.invalid"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	store := namespaceStore{n}
	object := func(name string) any {
		o := namespace(name, "1", nil, nil)
		return &o
	}
	known := func(want ...string) {
		t.Helper()
		for _, name := range []string{"shop", "blog", "bank"} {
			if _, got := n.Lookup(name); got != slices.Contains(want, name) {
				t.Errorf("%s: known %v", name, got)
			}
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(store.Add(object("shop")))
	if n.Synced() {
		t.Error("synced before a list")
	}
	must(store.Replace([]any{object("shop"), object("blog")}, "2"))
	known("shop", "blog")
	must(store.Delete(object("shop")))
	known("blog")
	must(store.Replace([]any{object("bank")}, "3"))
	known("bank")
	if err := store.Update(7); err == nil {
		t.Error("a number is a Namespace")
	}
}

func TestDefaultsOfANamespaceReachTheCore(t *testing.T) {
	server := newAPIServer(t, namespace("shop", "1", map[string]string{"pillion.dev/injection": "enabled"}, map[string]string{"pillion.dev/inject": "alpha"}))
	n, err := WatchNamespaces(&rest.Config{Host: server.URL, Timeout: time.Minute}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { n.Run(ctx); close(ended) }()
	if !cache.WaitForCacheSync(ctx.Done(), n.Synced) {
		t.Fatal("not synced")
	}
	o := testOptions(t)
	o.Namespace = n.Lookup
	h := NewHandler(o)
	before := post(h, PathMutate, reviewOf("")).Body.String()
	if got := readAnswer(t, []byte(before)); got.AuditAnnotations["outcome"] != "injected" {
		t.Errorf("got %+v", got)
	}
	server.stop()
	if diff := cmp.Diff(before, post(h, PathMutate, reviewOf("")).Body.String()); diff != "" {
		t.Errorf("the answer changed without the API server:\n%s", diff)
	}
	server.mu.Lock()
	if server.reads != 1 {
		t.Errorf("the API server was read %d times; no admission may read it", server.reads)
	}
	server.mu.Unlock()
	cancel()
	<-ended
}
