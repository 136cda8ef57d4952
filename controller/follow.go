package controller

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"

	"github.com/pillion-dev/pillion/sidecars"
)

// follower is told by a Reflector of all objects of one kind, and keeps nothing of them but their keys. It is what client-go
// calls a store: put and drop say what is made of an object. They are called by one goroutine.
type follower struct {
	// slim makes what is needed of an object; what it gives has to give itself again.
	slim cache.TransformFunc
	put  func(key sidecars.Key, object any)
	drop func(key sidecars.Key)

	mu     sync.Mutex
	known  map[sidecars.Key]bool
	synced chan struct{}
	once   sync.Once
}

func newFollower(slim cache.TransformFunc, put func(sidecars.Key, any), drop func(sidecars.Key)) *follower {
	return &follower{slim: slim, put: put, drop: drop, known: map[sidecars.Key]bool{}, synced: make(chan struct{})}
}

// Times between attempts to reach an API server that is away.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// run follows until the context ends. An API server that is away is tried again for as long, and one that does not know the
// kind yet.
func (f *follower) run(ctx context.Context, lw cache.ListerWatcher, kind any, name string, log *slog.Logger) {
	backoff := wait.Backoff{Duration: firstRetry, Factor: 2, Jitter: 0.5, Steps: 10, Cap: lastRetry}
	r := cache.NewReflectorWithOptions(lw, kind, f, cache.ReflectorOptions{Name: name, TypeDescription: name, Backoff: &backoff})
	log.Debug("following", "kind", name)
	r.RunWithContext(ctx)
}

// wait returns when every object there is was seen once, or with the context's error.
func (f *follower) wait(ctx context.Context) error {
	select {
	case <-f.synced:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isSynced reports whether every object there is was seen once.
func (f *follower) isSynced() bool {
	select {
	case <-f.synced:
		return true
	default:
		return false
	}
}

// Transformer has the Reflector's own, passing store hold slim objects too.
func (f *follower) Transformer() cache.TransformFunc { return f.slim }

// Add takes an object up.
func (f *follower) Add(object any) error {
	slim, err := f.slim(object)
	if err != nil {
		return err
	}
	key, err := keyOf(slim)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.known[key] = true
	f.mu.Unlock()
	f.put(key, slim)
	return nil
}

// Update takes an object's change up.
func (f *follower) Update(object any) error { return f.Add(object) }

// Delete forgets an object.
func (f *follower) Delete(object any) error {
	key, err := keyOf(object)
	if err != nil {
		return err
	}
	f.forget(key)
	return nil
}

func (f *follower) forget(key sidecars.Key) {
	f.mu.Lock()
	delete(f.known, key)
	f.mu.Unlock()
	f.drop(key)
}

// Replace takes up all objects there are; others are gone.
func (f *follower) Replace(objects []any, _ string) error {
	there := make(map[sidecars.Key]bool, len(objects))
	for _, o := range objects {
		key, err := keyOf(o)
		if err != nil {
			return err
		}
		there[key] = true
	}
	f.mu.Lock()
	var gone []sidecars.Key
	for key := range f.known {
		if !there[key] {
			gone = append(gone, key)
		}
	}
	f.mu.Unlock()
	for _, key := range gone {
		f.forget(key)
	}
	for _, o := range objects {
		if err := f.Add(o); err != nil {
			return err
		}
	}
	f.once.Do(func() { close(f.synced) })
	return nil
}

// Resync has nothing to do.
func (f *follower) Resync() error { return nil }

func keyOf(object any) (sidecars.Key, error) {
	m, err := meta.Accessor(object)
	if err != nil {
		return sidecars.Key{}, fmt.Errorf("watch: %w", err)
	}
	return sidecars.Key{Namespace: m.GetNamespace(), Name: m.GetName()}, nil
}
