// Package catalog shows the catalog that the API server holds, on a real one that is stopped, started and cut off.
package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/serving"
	"github.com/pillion-dev/pillion/webhook"
)

// bed is a control plane with the CRDs, and what cuts off those who watch it.
type bed struct {
	*testing.T
	*cluster.Cluster
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func startBed(t *testing.T) *bed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // a cold build of the control plane
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Config{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return &bed{T: t, Cluster: c, conns: map[net.Conn]bool{}}
}

// define installs the CRDs and waits until they are served.
func (b *bed) define() {
	b.Helper()
	for _, text := range crds.All() {
		object, err := yaml.YAMLToJSON(text)
		if err != nil {
			b.Fatal(err)
		}
		b.send(http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", object, http.StatusCreated)
	}
	for _, resource := range []string{"clustersidecars", "sidecars"} {
		b.within(30*time.Second, resource+" is served", func() bool {
			a, err := serving.Do(b.HTTPClient(), http.MethodGet, b.URL()+"/apis/pillion.dev/v1alpha1/"+resource, nil)
			return err == nil && a.Status == http.StatusOK
		})
	}
}

// send asks the API server and fails where it does not answer with one of the statuses.
func (b *bed) send(method, path string, object []byte, statuses ...int) {
	b.Helper()
	a, err := serving.Do(b.HTTPClient(), method, b.URL()+path, object)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range statuses {
		if a.Status == s {
			return
		}
	}
	b.Fatalf("%s %s: %d %s", method, path, a.Status, a.Message())
}

func collection(namespace string) string {
	if namespace == "" {
		return "/apis/pillion.dev/v1alpha1/clustersidecars"
	}
	return "/apis/pillion.dev/v1alpha1/namespaces/" + namespace + "/sidecars"
}

// apply creates or changes an entry with one container of the image.
func (b *bed) apply(namespace, name, image string) {
	b.Helper()
	kind := v1alpha1.KindClusterSidecar
	if namespace != "" {
		kind = v1alpha1.KindSidecar
	}
	container := map[string]any{"name": name, "image": image,
		"resources": map[string]any{"requests": map[string]any{"cpu": "10m", "memory": "16Mi"}, "limits": map[string]any{"cpu": "100m", "memory": "32Mi"}}}
	if image == bad {
		container["imagePullPolcy"] = "Never"
	}
	object, err := json.Marshal(map[string]any{"apiVersion": v1alpha1.GroupVersion, "kind": kind, "metadata": map[string]any{"name": name},
		"spec": map[string]any{"description": "An entry of the tests.", "containers": []any{container}}})
	if err != nil {
		b.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPatch, b.URL()+collection(namespace)+"/"+name+"?fieldManager=test&force=true", bytes.NewReader(object))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/apply-patch+yaml")
	res, err := b.HTTPClient().Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode > http.StatusCreated {
		b.Fatalf("apply %s: %s", name, res.Status)
	}
}

// bad is an image whose entry has a mistake that only Pillion finds.
const bad = "bad:1"

func (b *bed) remove(namespace, name string) {
	b.Helper()
	b.send(http.MethodDelete, collection(namespace)+"/"+name, nil, http.StatusOK)
}

// config reaches the API server by connections that cut can end.
func (b *bed) config() *rest.Config {
	b.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", b.Kubeconfig())
	if err != nil {
		b.Fatal(err)
	}
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			b.mu.Lock()
			b.conns[conn] = true
			b.mu.Unlock()
		}
		return conn, err
	}
	return config
}

// cut ends every connection and gives how many there were.
func (b *bed) cut() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.conns)
	for conn := range b.conns {
		_ = conn.Close()
		delete(b.conns, conn)
	}
	return n
}

// watch runs a ClusterCatalog, as a webhook that starts does, until the test ends or stop is called.
func (b *bed) watch() (catalog *webhook.ClusterCatalog, metrics *webhook.Metrics, stop func()) {
	b.Helper()
	metrics = webhook.NewMetrics()
	catalog, err := webhook.WatchCatalog(b.config(), slog.New(slog.DiscardHandler), metrics)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); catalog.Watch(ctx) }()
	stop = func() { cancel(); <-done }
	b.Cleanup(stop)
	b.within(30*time.Second, "the catalog is ready", func() bool {
		_, err := catalog.Check().Run()
		return err == nil
	})
	return catalog, metrics, stop
}

// within waits for a condition; the time is the one that is promised.
func (b *bed) within(most time.Duration, what string, holds func() bool) {
	b.Helper()
	for deadline := time.Now().Add(most); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("not after %s: %s", most, what)
		}
	}
}

// gets injects a Pod of a Namespace and gives the sidecar's image, or the refusal.
func gets(t *testing.T, c *sidecars.Catalog, namespace, name string) string {
	t.Helper()
	object := []byte(`{"metadata":{"name":"p","annotations":{"pillion.dev/inject":"` + name + `"}},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`)
	pod, err := sidecars.ReadPod(object)
	if err != nil {
		t.Fatal(err)
	}
	res := sidecars.Inject(c, pod, &sidecars.Namespace{Name: namespace})
	if res.Outcome != sidecars.Injected {
		return fmt.Sprint(res.Errors)
	}
	patch, err := jsonpatch.DecodePatch(sidecars.AppendPatch(nil, res.Patch))
	if err != nil {
		t.Fatal(err)
	}
	after, err := patch.Apply(object)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Spec struct {
			InitContainers []struct{ Name, Image string }
		}
	}
	if err := json.Unmarshal(after, &got); err != nil {
		t.Fatal(err)
	}
	var images []string
	for _, c := range got.Spec.InitContainers {
		images = append(images, c.Image)
	}
	return strings.Join(images, " ")
}
