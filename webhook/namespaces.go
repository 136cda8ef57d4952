package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// Namespaces knows labels and Pillion's annotations of every Namespace, by a watch on their metadata. What it knows stays
// while the API server is away.
type Namespaces struct {
	contact
	client metadata.Getter
	synced atomic.Bool
	mu     sync.RWMutex
	known  map[string]*metav1.PartialObjectMetadata
}

// WatchNamespaces makes a Namespaces for the API server that the configuration names. It needs the rights to list and
// watch Namespaces. Nothing is known before Run is called.
func WatchNamespaces(config *rest.Config, log *slog.Logger) (*Namespaces, error) {
	client, err := metadata.NewForConfig(prompt(config))
	if err != nil {
		return nil, fmt.Errorf("watch Namespaces: %w", err)
	}
	return &Namespaces{
		contact: contact{resource: "namespaces", log: log},
		client:  client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}),
		known:   map[string]*metav1.PartialObjectMetadata{},
	}, nil
}

// slim drops what no rule reads: above all managedFields, and annotations that are not Pillion's.
func slim(object any) (any, error) { return slimNamespace(object) }

func slimNamespace(object any) (*metav1.PartialObjectMetadata, error) {
	was, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil, fmt.Errorf("watch: %T is no metadata", object)
	}
	annotations := maps.Clone(was.Annotations)
	maps.DeleteFunc(annotations, func(key, _ string) bool { return !strings.HasPrefix(key, v1alpha1.Prefix) })
	return &metav1.PartialObjectMetadata{
		TypeMeta:   was.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{Name: was.Name, UID: was.UID, ResourceVersion: was.ResourceVersion, Labels: was.Labels, Annotations: annotations},
	}, nil
}

// Run watches until the context ends. An API server that is away is tried again for as long.
func (n *Namespaces) Run(ctx context.Context) {
	follow(ctx, n.resource, source{
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return n.client.List(ctx, o) },
		watch: n.client.Watch,
		heard: n.heard,
	}, namespaceStore{n})
}

// Synced reports whether every Namespace there is has been seen once.
func (n *Namespaces) Synced() bool { return n.synced.Load() }

// Lookup gives what is known of a Namespace, and whether it is known. The maps are shared: the caller must not change them.
func (n *Namespaces) Lookup(name string) (sidecars.Namespace, bool) {
	n.mu.RLock()
	meta, known := n.known[name]
	n.mu.RUnlock()
	if !known {
		return sidecars.Namespace{Name: name}, false
	}
	return sidecars.Namespace{Name: name, Labels: meta.Labels, Annotations: meta.Annotations}, true
}

func (n *Namespaces) count() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.known)
}

// namespaceStore is what a Reflector writes into.
type namespaceStore struct{ *Namespaces }

// Transformer drops what no rule reads.
func (s namespaceStore) Transformer() cache.TransformFunc { return slim }

// Add keeps a Namespace.
func (s namespaceStore) Add(object any) error { return s.Update(object) }

// Update keeps a Namespace as it is now.
func (s namespaceStore) Update(object any) error {
	meta, err := slimNamespace(object)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[meta.Name] = meta
	return nil
}

// Delete forgets a Namespace.
func (s namespaceStore) Delete(object any) error {
	meta, err := slimNamespace(object)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, meta.Name)
	return nil
}

// Replace keeps the Namespaces of a list and forgets all others.
func (s namespaceStore) Replace(list []any, _ string) error {
	known := make(map[string]*metav1.PartialObjectMetadata, len(list))
	for _, object := range list {
		meta, err := slimNamespace(object)
		if err != nil {
			return err
		}
		known[meta.Name] = meta
	}
	s.mu.Lock()
	s.known = known
	s.mu.Unlock()
	s.synced.Store(true)
	return nil
}

// Resync has nothing to do: nothing is derived from Namespaces.
func (s namespaceStore) Resync() error { return nil }
