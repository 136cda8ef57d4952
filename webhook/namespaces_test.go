package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
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
	gone    chan struct{}
	stop    func()
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
	switch {
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
	n, err := WatchNamespaces(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, known := n.Lookup("shop"); known || n.Synced() {
		t.Error("known before the first reading")
	}
	if _, err := n.Check().Run(); err == nil {
		t.Error("ready before the first reading")
	}
	changed := make(chan bool, 10)
	if _, err := n.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(_, _ any) { changed <- true }}); err != nil {
		t.Fatal(err)
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
	<-changed
	want.Annotations = map[string]string{"pillion.dev/inject": "beta"}
	expect("changed", want)
	if got, known := n.Lookup("other"); known || cmp.Diff(sidecars.Namespace{Name: "other"}, got) != "" {
		t.Errorf("a Namespace that is not there: %+v, %v", got, known)
	}

	server.stop()
	expect("without the API server", want)
	if _, err := n.Check().Run(); err != nil || !n.Synced() {
		t.Errorf("not ready without the API server: %v", err)
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
	tombstone := cache.DeletedFinalStateUnknown{Key: "shop"}
	if got, err := slim(tombstone); err != nil || got != any(tombstone) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestDefaultsOfANamespaceReachTheCore(t *testing.T) {
	server := newAPIServer(t, namespace("shop", "1", map[string]string{"pillion.dev/injection": "enabled"}, map[string]string{"pillion.dev/inject": "alpha"}))
	n, err := WatchNamespaces(&rest.Config{Host: server.URL, Timeout: time.Minute})
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
