package webhook

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// retry is how long a watch that ended waits before it is tried again. client-go's default grows to 30 seconds and more;
// a catalog should be up to date seconds after the API server is back.
var retry = wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 5, Cap: time.Second}

// entryKind is one of the two kinds of entries, and the store that a Reflector writes into.
type entryKind struct {
	catalog  *ClusterCatalog
	resource string
	// known: the API server has said once what there is, or (missing) that it has no such kind.
	known, missing atomic.Bool
}

func (k *entryKind) reflector(client dynamic.Interface) *cache.Reflector {
	resource := client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: k.resource})
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := resource.List(ctx, o)
			return list, k.heard(err)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := resource.Watch(ctx, o)
			return w, k.heard(err)
		},
	}
	backoff := retry
	return cache.NewReflectorWithOptions(source, &unstructured.Unstructured{}, k, cache.ReflectorOptions{Name: k.resource, TypeDescription: k.resource, Backoff: &backoff})
}

// heard notes that the API server has no such kind.
func (k *entryKind) heard(err error) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	if !k.missing.Swap(true) {
		k.catalog.log.Error("the API server knows no such resource: are the CRDs installed?", "resource", k.resource)
	}
	if !k.known.Swap(true) {
		k.catalog.tell()
	}
	return err
}

// Add keeps an object.
func (k *entryKind) Add(object any) error { return k.Update(object) }

// Update keeps an object as it is now.
func (k *entryKind) Update(object any) error {
	u, err := asUnstructured(object)
	if err != nil {
		return err
	}
	return k.catalog.keep(k, u)
}

// Delete forgets an object.
func (k *entryKind) Delete(object any) error {
	u, err := asUnstructured(object)
	if err != nil {
		return err
	}
	gone := sidecars.Key{Namespace: u.GetNamespace(), Name: u.GetName()}
	k.catalog.drop(k, func(key sidecars.Key) bool { return key == gone })
	return nil
}

// Replace keeps the objects of a list and forgets all others.
func (k *entryKind) Replace(list []any, _ string) error {
	there := make(map[sidecars.Key]bool, len(list))
	for _, object := range list {
		u, err := asUnstructured(object)
		if err != nil {
			return err
		}
		there[sidecars.Key{Namespace: u.GetNamespace(), Name: u.GetName()}] = true
		if err := k.catalog.keep(k, u); err != nil {
			return err
		}
	}
	k.catalog.drop(k, func(key sidecars.Key) bool { return !there[key] })
	k.missing.Store(false)
	if !k.known.Swap(true) || !k.catalog.assembled.Load() {
		k.catalog.tell()
	}
	return nil
}

// Resync has nothing to do: nothing is derived from the objects but what is made when they change.
func (k *entryKind) Resync() error { return nil }

func asUnstructured(object any) (*unstructured.Unstructured, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("watch: %T is no object", object)
	}
	return u, nil
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
