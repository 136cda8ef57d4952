package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pillion-dev/pillion/sidecars"
)

// ClusterCatalog is the catalog that the API server holds: the embedded entries, over them the ClusterSidecars, and the
// Sidecars of single Namespaces. Entries are read and proved beside the requests, each once for each spec. One with a
// mistake is left out alone: its last good revision stays in force, and where there is none, Pods that ask for it are
// refused with the reason. What is known stays while the API server is away.
type ClusterCatalog struct {
	client   dynamic.Interface
	embedded []*sidecars.Entry
	current  atomic.Pointer[sidecars.Catalog]
	kinds    []*entryKind
	log      *slog.Logger
	metrics  *Metrics

	// changed has a token where objects wait to be read.
	changed chan struct{}
	mu      sync.Mutex
	objects map[sidecars.Key]*entryObject
	// assembled: the catalog has been made of everything that was listed first.
	assembled atomic.Bool
}

// entryObject is one object of the API server.
type entryObject struct {
	kind *entryKind
	uid  types.UID
	// digest of the newest document, and the document itself until it is read.
	digest [sha256.Size]byte
	unread []byte
	// entry in force, nil where there is none; failure is why the newest is not.
	entry   *sidecars.Entry
	failure string
}

// Times of the cluster's catalog: a burst of changes is taken up once it is over, and at the latest after a second.
const (
	settleCluster = 50 * time.Millisecond
	latestCluster = time.Second
)

// WatchCatalog makes a ClusterCatalog for the API server that the configuration names. It needs the rights to list and
// watch clustersidecars and sidecars. Until Run is called only the embedded entries are known.
func WatchCatalog(config *rest.Config, log *slog.Logger, m *Metrics) (*ClusterCatalog, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("watch the catalog: %w", err)
	}
	c := &ClusterCatalog{client: client, embedded: sidecars.Builtin().All(), log: log, metrics: m,
		changed: make(chan struct{}, 1), objects: map[sidecars.Key]*entryObject{}}
	for _, resource := range []string{"clustersidecars", "sidecars"} {
		c.kinds = append(c.kinds, &entryKind{catalog: c, resource: resource})
	}
	c.swap()
	return c, nil
}

// Current gives the catalog in force. It never blocks.
func (c *ClusterCatalog) Current() *sidecars.Catalog { return c.current.Load() }

// Watch takes changes up until the context ends. An API server that is away is tried again for as long.
func (c *ClusterCatalog) Watch(ctx context.Context) {
	var group sync.WaitGroup
	for _, k := range c.kinds {
		group.Go(func() { k.reflector(c.client).RunWithContext(ctx) })
	}
	c.takeUp(ctx)
	group.Wait()
}

// takeUp reads what changed, burst by burst.
func (c *ClusterCatalog) takeUp(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		}
		latest := time.After(latestCluster)
		for quiet := false; !quiet; {
			select {
			case <-c.changed:
			case <-time.After(settleCluster):
				quiet = true
			case <-latest:
				quiet = true
			case <-ctx.Done():
				return
			}
		}
		listed := c.listed()
		c.readAll()
		c.swap()
		c.assembled.Store(listed)
	}
}

// tell says that objects changed.
func (c *ClusterCatalog) tell() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// listed reports whether of every kind it is known what there is, be it that the API server has no such kind.
func (c *ClusterCatalog) listed() bool {
	for _, k := range c.kinds {
		if !k.known.Load() {
			return false
		}
	}
	return true
}

// readAll reads and proves every object that changed.
func (c *ClusterCatalog) readAll() {
	type job struct {
		key    sidecars.Key
		object *entryObject
		text   []byte
	}
	var jobs []job
	c.mu.Lock()
	for key, o := range c.objects {
		if o.unread != nil {
			jobs = append(jobs, job{key, o, o.unread})
			o.unread = nil
		}
	}
	c.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, j := range jobs {
		group.Go(func() error {
			entry, failure := c.read(j.key, j.text)
			c.mu.Lock()
			defer c.mu.Unlock()
			if j.object.failure = failure; failure == "" {
				j.object.entry = entry
			}
			return nil
		})
	}
	_ = group.Wait() // a mistake is the object's, not the group's
}

// read reads and proves one entry, or says why it cannot be used. A panic is a mistake of that entry.
func (c *ClusterCatalog) read(key sidecars.Key, text []byte) (entry *sidecars.Entry, failure string) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("panic over a catalog entry", "entry", key.String(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			entry, failure = nil, "Pillion failed on it, which is a bug; the stack is in the webhook's log"
		}
	}()
	entry, errs := sidecars.Parse(text)
	if len(errs) == 0 {
		errs = entry.Prove()
	}
	if len(errs) > 0 {
		failure = mistakes(errs)
		c.log.Error("catalog entry left out", "entry", key.String(), "error", failure)
		return nil, failure
	}
	c.log.Info("catalog entry", "entry", key.String(), "revision", entry.Revision)
	return entry, ""
}

// mistakes joins the first of an entry's mistakes.
func mistakes(errs field.ErrorList) string {
	var texts []string
	for _, err := range errs[:min(len(errs), firstErrors)] {
		texts = append(texts, err.Error())
	}
	if more := len(errs) - firstErrors; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return cut(strings.Join(texts, "; "), maxMessage)
}

// swap puts a catalog of what is known into force.
func (c *ClusterCatalog) swap() {
	entries := append([]*sidecars.Entry{}, c.embedded...)
	leftOut := map[sidecars.Key]string{}
	failures := 0
	c.mu.Lock()
	for key, o := range c.objects {
		if o.entry != nil {
			entries = append(entries, o.entry)
		} else if o.failure != "" {
			leftOut[key] = o.failure
		}
		if o.failure != "" {
			failures++
		}
	}
	c.mu.Unlock()
	catalog := sidecars.Assemble(entries, leftOut)
	if was := c.current.Swap(catalog); was != nil && was.Revision() != catalog.Revision() {
		c.log.Info("catalog", "catalog", catalog.Revision(), "was", was.Revision(), "entries", len(catalog.All()))
	}
	c.metrics.clusterCatalog(catalog, failures)
}

// Check is readiness of the catalog: every kind has been listed once, or the API server has said that it knows no such kind,
// which must not keep Pods from the embedded sidecars. The note tells what is left out and why.
func (c *ClusterCatalog) Check() Check {
	return Check{"catalog", func() (string, error) {
		if !c.assembled.Load() {
			return "", errors.New("not read from the API server yet")
		}
		catalog := c.Current()
		lines := []string{fmt.Sprintf("revision %s, %d entries", catalog.Revision(), len(catalog.All()))}
		for _, k := range c.kinds {
			if k.missing.Load() {
				lines = append(lines, "the API server knows no "+k.resource+": are the CRDs installed?")
			}
		}
		failures := c.failures()
		lines = append(lines, failures[:min(len(failures), firstErrors)]...)
		if more := len(failures) - firstErrors; more > 0 {
			lines = append(lines, fmt.Sprintf("and %d more", more))
		}
		return strings.Join(lines, "\n"), nil
	}}
}

// failures lists the entries whose newest spec is not in force, and why, sorted.
func (c *ClusterCatalog) failures() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for key, o := range c.objects {
		switch {
		case o.failure == "":
		case o.entry != nil:
			out = append(out, key.String()+", revision "+o.entry.Revision+" stays in force: "+o.failure)
		default:
			out = append(out, key.String()+" is left out: "+o.failure)
		}
	}
	return sorted(out)
}

// keep takes an object over as it is now.
func (c *ClusterCatalog) keep(k *entryKind, u *unstructured.Unstructured) error {
	text, err := entryText(u)
	if err != nil {
		return err
	}
	key, digest := sidecars.Key{Namespace: u.GetNamespace(), Name: u.GetName()}, sha256.Sum256(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.objects[key]
	switch {
	case was != nil && was.uid == u.GetUID() && was.digest == digest:
		return nil
	case was != nil && was.uid == u.GetUID():
		was.digest, was.unread = digest, text
	default:
		c.objects[key] = &entryObject{kind: k, uid: u.GetUID(), digest: digest, unread: text}
	}
	c.tell()
	return nil
}

// entryText is what of an object makes the entry, in one form: status, labels and the like do not.
func entryText(u *unstructured.Unstructured) ([]byte, error) {
	meta := map[string]any{"name": u.GetName()}
	if u.GetNamespace() != "" {
		meta["namespace"] = u.GetNamespace()
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(map[string]any{"apiVersion": u.GetAPIVersion(), "kind": u.GetKind(), "metadata": meta, "spec": u.Object["spec"]})
	return b.Bytes(), err
}

// drop forgets the objects of a kind that gone says are not there any more.
func (c *ClusterCatalog) drop(k *entryKind, gone func(sidecars.Key) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, o := range c.objects {
		if o.kind == k && gone(key) {
			delete(c.objects, key)
			c.log.Info("catalog entry gone", "entry", key.String())
			c.tell()
		}
	}
}
