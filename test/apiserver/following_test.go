package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/webhook"
)

// following is a catalog that follows an API server until the test ends, as the webhook's does.
type following struct {
	*webhook.ClusterCatalog
	metrics *webhook.Metrics
	log     *logLines
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

// wantCounts wants exactly so many proofs, and at most so many swaps.
func (f *following) wantCounts(t *testing.T, when string, proofs, swaps int) {
	t.Helper()
	gotProofs, gotSwaps := f.log.count("catalog entry"), f.log.count("catalog")
	if gotProofs != proofs || gotSwaps > swaps || gotSwaps == 0 {
		t.Errorf("after %s: %d proofs, want %d; %d swaps, want at most %d", when, gotProofs, proofs, gotSwaps, swaps)
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
