package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// entryKind is one of the two kinds of entries, and the store that a Reflector writes into.
type entryKind struct {
	contact
	catalog *ClusterCatalog
	// known: the API server has said once what there is, be it that it has no such kind.
	known atomic.Bool
}

// follow follows the kind until the context ends.
func (k *entryKind) follow(ctx context.Context, client dynamic.Interface) {
	resource := client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: k.resource})
	follow(ctx, k.resource, source{
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return resource.List(ctx, o) },
		watch: resource.Watch,
		heard: k.heard,
	}, k)
}

// heard takes no such kind for an answer. Entries of the kind that are known stay even then: who removes the kind has the
// API server tell of every entry first, and whatever else says 404 must not empty the catalog.
func (k *entryKind) heard(err error) {
	k.contact.heard(err)
	if k.missing() && !k.known.Swap(true) {
		k.catalog.tell()
	}
}

// Transformer makes documents of objects.
func (k *entryKind) Transformer() cache.TransformFunc { return toDocument }

// Add keeps an object.
func (k *entryKind) Add(object any) error { return k.Update(object) }

// Update keeps an object as it is now.
func (k *entryKind) Update(object any) error {
	d, err := documentOf(object)
	if err == nil {
		k.catalog.keep(k, d)
	}
	return err
}

// Delete forgets an object.
func (k *entryKind) Delete(object any) error {
	d, err := documentOf(object)
	if err == nil {
		k.catalog.drop(k, func(key sidecars.Key) bool { return key == d.key() })
	}
	return err
}

// Replace keeps the objects of a list and forgets all others.
func (k *entryKind) Replace(list []any, _ string) error {
	there := make(map[sidecars.Key]bool, len(list))
	for _, object := range list {
		d, err := documentOf(object)
		if err != nil {
			return err
		}
		there[d.key()] = true
		k.catalog.keep(k, d)
	}
	k.catalog.drop(k, func(key sidecars.Key) bool { return !there[key] })
	if !k.known.Swap(true) {
		k.catalog.tell()
	}
	return nil
}

// Resync has nothing to do: nothing is derived from the objects but what is made when they change.
func (k *entryKind) Resync() error { return nil }

// document is what of an object makes the entry, in one form: status, labels and the like do not. It is read from the bare
// JSON, so that a field that no type knows is a mistake and not gone.
type document struct {
	// ObjectMeta has Namespace, name and UID alone.
	metav1.ObjectMeta
	text []byte
}

func (d *document) key() sidecars.Key { return sidecars.Key{Namespace: d.Namespace, Name: d.Name} }

// toDocument makes a document of an object; of a document, itself.
func toDocument(object any) (any, error) { return documentOf(object) }

func documentOf(object any) (*document, error) {
	if d, ok := object.(*document); ok {
		return d, nil
	}
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("watch: %T is no object", object)
	}
	d := &document{ObjectMeta: metav1.ObjectMeta{Name: u.GetName(), Namespace: u.GetNamespace(), UID: u.GetUID()}}
	meta := map[string]any{"name": d.Name}
	if d.Namespace != "" {
		meta["namespace"] = d.Namespace
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(map[string]any{"apiVersion": u.GetAPIVersion(), "kind": u.GetKind(), "metadata": meta, "spec": u.Object["spec"]})
	d.text = b.Bytes()
	return d, err
}
