package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

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

	// changed has a token where something is to be taken up.
	changed chan struct{}
	mu      sync.Mutex
	objects map[sidecars.Key]*entryObject
	// assembled: the catalog has been made of everything that was listed first.
	assembled atomic.Bool
	// prove is the function of that name, or what a test puts in its place.
	prove func(text []byte) (*sidecars.Entry, field.ErrorList)
}

// Times of the cluster's catalog: a burst of changes is taken up once it is over, and at the latest after a second.
const (
	settleCluster = 50 * time.Millisecond
	latestCluster = time.Second
)

// WatchCatalog makes a ClusterCatalog for the API server that the configuration names. It needs the rights to list and
// watch clustersidecars and sidecars. Until Watch is called only the embedded entries are known.
func WatchCatalog(config *rest.Config, log *slog.Logger, m *Metrics) (*ClusterCatalog, error) {
	client, err := dynamic.NewForConfig(prompt(config))
	if err != nil {
		return nil, fmt.Errorf("watch the catalog: %w", err)
	}
	c := &ClusterCatalog{client: client, embedded: sidecars.Builtin().All(), log: log, metrics: m,
		changed: make(chan struct{}, 1), objects: map[sidecars.Key]*entryObject{}, prove: prove}
	for _, resource := range []string{"clustersidecars", "sidecars"} {
		c.kinds = append(c.kinds, &entryKind{contact: contact{resource: resource, log: log}, catalog: c})
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
		group.Go(func() { k.follow(ctx, c.client) })
	}
	for c.settle(ctx) {
		listed := c.listed()
		c.readAll(ctx)
		if ctx.Err() == nil {
			c.swap()
			c.assembled.Store(listed)
		}
	}
	group.Wait()
}

// settle waits for a change and until no other follows, or for the end of the context: then it gives false.
func (c *ClusterCatalog) settle(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-c.changed:
	}
	latest := time.After(latestCluster)
	for {
		select {
		case <-c.changed:
		case <-time.After(settleCluster):
			return true
		case <-latest:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// tell says that something is to be taken up.
func (c *ClusterCatalog) tell() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// listed reports whether it is known of every kind what there is.
func (c *ClusterCatalog) listed() bool {
	for _, k := range c.kinds {
		if !k.known.Load() {
			return false
		}
	}
	return true
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
