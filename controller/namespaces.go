package controller

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// Namespaces knows labels and Pillion's annotations of every Namespace, by a watch on their metadata: the former decide which
// entries its Pods may have, the latter are defaults for them.
type Namespaces struct {
	client metadata.Interface
	*follower
	log *slog.Logger

	mu    sync.Mutex
	names map[string]*sidecars.Namespace
	// changed is told of Namespaces of which something is another now.
	changed func(namespace string)
}

// NewNamespaces makes a Namespaces. It needs the rights to list and watch Namespaces. Nothing is known before it runs.
func NewNamespaces(client metadata.Interface, changed func(string), log *slog.Logger) *Namespaces {
	n := &Namespaces{client: client, names: map[string]*sidecars.Namespace{}, changed: changed, log: log}
	n.follower = newFollower(slimNamespace, n.put, n.drop)
	return n
}

// Start follows the Namespaces until the context ends.
func (n *Namespaces) Start(ctx context.Context) error {
	client := n.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, o)
		},
	}
	n.run(ctx, lw, &metav1.PartialObjectMetadata{}, "namespaces", n.log)
	return nil
}

// NeedLeaderElection is false: every replica answers for workloads.
func (n *Namespaces) NeedLeaderElection() bool { return false }

// slimNamespace drops all but name, labels and Pillion's annotations.
func slimNamespace(object any) (any, error) {
	was, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	annotations := maps.Clone(was.Annotations)
	maps.DeleteFunc(annotations, func(key, _ string) bool { return !strings.HasPrefix(key, v1alpha1.Prefix) })
	meta := metav1.ObjectMeta{Name: was.Name, UID: was.UID, ResourceVersion: was.ResourceVersion, Labels: was.Labels, Annotations: annotations}
	return &metav1.PartialObjectMetadata{TypeMeta: was.TypeMeta, ObjectMeta: meta}, nil
}

func (n *Namespaces) put(key sidecars.Key, object any) {
	now, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return
	}
	n.mu.Lock()
	was := n.names[key.Name]
	same := was != nil && maps.Equal(was.Annotations, now.Annotations) && maps.Equal(was.Labels, now.Labels)
	if !same {
		n.names[key.Name] = &sidecars.Namespace{Name: key.Name, Labels: now.Labels, Annotations: now.Annotations}
	}
	n.mu.Unlock()
	if !same {
		n.changed(key.Name)
	}
}

func (n *Namespaces) drop(key sidecars.Key) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.names, key.Name)
}

// get gives what is known of a Namespace: the same pointer while nothing changes, nil where nothing is known.
func (n *Namespaces) get(name string) *sidecars.Namespace {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names[name]
}

// facts gives what is known of a Namespace: its name at least.
func (n *Namespaces) facts(name string) *sidecars.Namespace {
	if ns := n.get(name); ns != nil {
		return ns
	}
	return &sidecars.Namespace{Name: name}
}
