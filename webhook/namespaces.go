package webhook

import (
	"context"
	"fmt"
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// Namespaces knows labels and Pillion's annotations of every Namespace, by a watch on their metadata. What it knows stays
// while the API server is away.
type Namespaces struct {
	informer cache.SharedIndexInformer
}

// WatchNamespaces makes a Namespaces for the API server that the configuration names. It needs the rights to list and
// watch Namespaces. Nothing is known before Run is called.
func WatchNamespaces(config *rest.Config) (*Namespaces, error) {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("watch Namespaces: %w", err)
	}
	return newNamespaces(client)
}

func newNamespaces(client metadata.Interface) (*Namespaces, error) {
	resource := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	n := &Namespaces{informer: metadatainformer.NewFilteredMetadataInformer(client, resource, metav1.NamespaceAll, 0, cache.Indexers{}, nil).Informer()}
	if err := n.informer.SetTransform(slim); err != nil {
		return nil, fmt.Errorf("watch Namespaces: %w", err)
	}
	return n, nil
}

// slim drops what no rule reads: above all managedFields, and annotations that are not Pillion's.
func slim(object any) (any, error) {
	was, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	annotations := maps.Clone(was.Annotations)
	maps.DeleteFunc(annotations, func(key, _ string) bool { return !strings.HasPrefix(key, v1alpha1.Prefix) })
	return &metav1.PartialObjectMetadata{
		TypeMeta:   was.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{Name: was.Name, UID: was.UID, ResourceVersion: was.ResourceVersion, Labels: was.Labels, Annotations: annotations},
	}, nil
}

// Run watches until the context ends. An API server that is away is tried again for as long.
func (n *Namespaces) Run(ctx context.Context) { n.informer.RunWithContext(ctx) }

// Synced reports whether every Namespace there is has been seen once.
func (n *Namespaces) Synced() bool { return n.informer.HasSynced() }

// Lookup gives what is known of a Namespace, and whether it is known. The maps are shared: the caller must not change them.
func (n *Namespaces) Lookup(name string) (sidecars.Namespace, bool) {
	ns := sidecars.Namespace{Name: name}
	object, known, err := n.informer.GetStore().GetByKey(name)
	if err != nil || !known {
		return ns, false
	}
	if meta, ok := object.(*metav1.PartialObjectMetadata); ok {
		ns.Labels, ns.Annotations = meta.Labels, meta.Annotations
	}
	return ns, true
}
