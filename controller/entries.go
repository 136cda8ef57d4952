package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// The resources of the two kinds.
var (
	clusterSidecars = schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "clustersidecars"}
	namespaced      = schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "sidecars"}
)

// resourceOf gives the resource and kind of an entry with the key.
func resourceOf(key sidecars.Key) (schema.GroupVersionResource, string) {
	if key.Namespace == "" {
		return clusterSidecars, v1alpha1.KindClusterSidecar
	}
	return namespaced, v1alpha1.KindSidecar
}

// stored is what is known of an entry of the API server. It is immutable.
type stored struct {
	key        sidecars.Key
	uid        types.UID
	generation int64
	// entry is nil where the spec does not even compile; errs says why.
	entry  *sidecars.Entry
	errs   field.ErrorList
	status v1alpha1.SidecarStatus
}

// Entries knows every ClusterSidecar and Sidecar, compiled, by a watch, and the catalog that they make with the embedded
// entries. They are read as the API server has them, not by Go types, so that one that fits no type disturbs no other.
type Entries struct {
	client  dynamic.Interface
	cluster *follower
	spaces  *follower
	log     *slog.Logger
	// helper is what the cluster has of the node helper.
	helper sidecars.Helper

	mu      sync.Mutex
	stored  map[sidecars.Key]*stored
	catalog *sidecars.Catalog // nil where something changed since
	// changed is told of keys whose own status, or that of whose entry, may be another now.
	changed func(key sidecars.Key)
}

// NewEntries makes an Entries. It needs the rights to list and watch both kinds. Nothing is known before it runs.
func NewEntries(client dynamic.Interface, log *slog.Logger) *Entries {
	e := &Entries{client: client, log: log, stored: map[sidecars.Key]*stored{}}
	e.cluster = newFollower(slimEntry, e.put, e.drop)
	e.spaces = newFollower(slimEntry, e.put, e.drop)
	return e
}

// Start follows the entries until the context ends.
func (e *Entries) Start(ctx context.Context) error {
	var both sync.WaitGroup
	both.Go(func() { e.follow(ctx, e.cluster, clusterSidecars, v1alpha1.KindClusterSidecar) })
	both.Go(func() { e.follow(ctx, e.spaces, namespaced, v1alpha1.KindSidecar) })
	both.Wait()
	return nil
}

func (e *Entries) follow(ctx context.Context, f *follower, resource schema.GroupVersionResource, kind string) {
	want := &unstructured.Unstructured{}
	want.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(kind))
	f.run(ctx, e.listWatch(resource), want, resource.Resource, e.log)
}

// NeedLeaderElection is false: every replica validates against what is there.
func (e *Entries) NeedLeaderElection() bool { return false }

func (e *Entries) listWatch(resource schema.GroupVersionResource) cache.ListerWatcher {
	client := e.client.Resource(resource)
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, o)
		},
	}
}

// Wait returns when every entry there is was seen once, or with the context's error.
func (e *Entries) Wait(ctx context.Context) error {
	if err := e.cluster.wait(ctx); err != nil {
		return err
	}
	return e.spaces.wait(ctx)
}

// slimEntry drops what is long and says nothing of the entry.
func slimEntry(object any) (any, error) {
	if u, ok := object.(*unstructured.Unstructured); ok {
		u.SetManagedFields(nil)
	}
	return object, nil
}

func (e *Entries) put(key sidecars.Key, object any) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		e.log.Error("entry", "key", key.String(), "error", fmt.Sprintf("got a %T", object))
		return
	}
	now := &stored{key: key, uid: u.GetUID(), generation: u.GetGeneration(), status: statusOf(u)}
	e.mu.Lock()
	was := e.stored[key]
	e.mu.Unlock()
	if was != nil && was.uid == now.uid && was.generation == now.generation {
		now.entry, now.errs = was.entry, was.errs
		e.mu.Lock()
		e.stored[key] = now
		e.mu.Unlock()
		return
	}
	raw, err := u.MarshalJSON()
	if err != nil {
		now.errs = field.ErrorList{field.InternalError(field.NewPath("spec"), err)}
	} else {
		now.entry, now.errs = parse(raw)
	}
	e.mu.Lock()
	e.stored[key], e.catalog = now, nil
	e.mu.Unlock()
	e.tell(key)
}

func (e *Entries) drop(key sidecars.Key) {
	e.mu.Lock()
	delete(e.stored, key)
	e.catalog = nil
	e.mu.Unlock()
	e.tell(key)
}

// statusOf reads the status; one that cannot be read is written anew.
func statusOf(u *unstructured.Unstructured) v1alpha1.SidecarStatus {
	var st v1alpha1.SidecarStatus
	b, err := json.Marshal(u.Object["status"])
	if err == nil && json.Unmarshal(b, &st) == nil {
		return st
	}
	return v1alpha1.SidecarStatus{}
}

// wrote takes up what a write of a status gave, before the watch tells of it.
func (e *Entries) wrote(key sidecars.Key, u *unstructured.Unstructured) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if was := e.stored[key]; was != nil && was.uid == u.GetUID() {
		now := *was
		now.status = statusOf(u)
		e.stored[key] = &now
	}
}

// get gives an entry, or nil.
func (e *Entries) get(key sidecars.Key) *stored {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stored[key]
}

// kindAndReason is what entries are counted by.
type kindAndReason struct{ kind, reason string }

// reasons counts the entries by kind and the reason of their condition Ready, as it was last written; one that is none of
// the known reasons, or absent, counts as Unknown.
func (e *Entries) reasons() map[kindAndReason]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[kindAndReason]int{}
	for _, kind := range []string{v1alpha1.KindClusterSidecar, v1alpha1.KindSidecar} {
		for _, reason := range append(knownReasons(), reasonUnknown) {
			out[kindAndReason{kind, reason}] = 0
		}
	}
	for key, s := range e.stored {
		_, kind := resourceOf(key)
		reason := ""
		if ready := readyOf(s); ready != nil {
			reason = ready.Reason
		}
		if !slices.Contains(knownReasons(), reason) {
			reason = reasonUnknown
		}
		out[kindAndReason{kind, reason}]++
	}
	return out
}

// reasonUnknown stands for an entry that nobody has judged yet.
const reasonUnknown = "Unknown"

func knownReasons() []string {
	return []string{v1alpha1.ReasonProved, v1alpha1.ReasonInvalid, v1alpha1.ReasonShadowed, v1alpha1.ReasonRefused}
}

// keys lists all entries, sorted.
func (e *Entries) keys() []sidecars.Key {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.SortedFunc(maps.Keys(e.stored), compareKeys)
}

func compareKeys(a, b sidecars.Key) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// Catalog gives the catalog of all entries that compile, over the embedded ones.
func (e *Entries) Catalog() *sidecars.Catalog {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.catalog != nil {
		return e.catalog
	}
	entries := sidecars.Builtin().All()
	leftOut := map[sidecars.Key]string{}
	for key, s := range e.stored {
		if s.entry == nil {
			leftOut[key] = summary(s.errs)
			continue
		}
		entries = append(entries, s.entry)
	}
	e.catalog = sidecars.Assemble(entries, leftOut).WithHelper(e.helper)
	return e.catalog
}

// subscribe has f told of keys whose status may be another; nil ends that.
func (e *Entries) subscribe(f func(sidecars.Key)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changed = f
}

// tell tells of an entry that changed, and of those for which that may matter.
func (e *Entries) tell(key sidecars.Key) {
	e.mu.Lock()
	var keys []sidecars.Key
	for other, s := range e.stored {
		if other != key && concerns(key, s) {
			keys = append(keys, other)
		}
	}
	changed := e.changed
	e.mu.Unlock()
	if changed == nil {
		return
	}
	for _, k := range append(keys, key) {
		changed(k)
	}
}

// concerns reports whether a change of an entry may make another one good or bad: they have one name, the names of their
// parts may meet, or the other one is ordered after it.
func concerns(key sidecars.Key, o *stored) bool {
	return o.key.Name == key.Name || strings.HasPrefix(o.key.Name, key.Name+"-") || strings.HasPrefix(key.Name, o.key.Name+"-") ||
		o.entry != nil && slices.Contains(o.entry.Spec.Order.After, key.Name)
}
