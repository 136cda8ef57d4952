package failsafe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// perSecond is the rate of the load, in Pods created.
const perSecond = 40

// batch is how many Pods are created in a Namespace before they are looked at and deleted.
const batch = 150

// tally is what became of Pods that asked.
type tally struct {
	created, injected, refused, stored int64
	// bare are Pods that were created without their sidecar, and failed are creations that failed otherwise; both by name or
	// message.
	bare, failed []string
	// connections is how many the API server opened to the webhook.
	connections int64
	took        time.Duration
}

func (r *tally) String() string {
	return fmt.Sprintf("%d creates in %.0f s (%.0f a second): %d injected, %d stored so, %d refused by the policy, %d bare, %d other errors; %d connections",
		r.created, r.took.Seconds(), float64(r.created)/r.took.Seconds(), r.injected, r.stored, r.refused, len(r.bare), len(r.failed), r.connections)
}

// none fails where Pods were lost: bare, failed, or, unless that is allowed, refused.
func (r *tally) none(t *testing.T, refusals bool) {
	t.Helper()
	t.Log(r)
	if len(r.bare) > 0 || len(r.failed) > 0 {
		t.Errorf("bare: %v\nfailed: %v", head(r.bare), head(r.failed))
	}
	if r.injected+r.refused != r.created || r.stored != r.injected || r.refused > 0 && !refusals {
		t.Errorf("created %d, injected %d, stored %d, refused %d", r.created, r.injected, r.stored, r.refused)
	}
}

func head(s []string) []string { return s[:min(5, len(s))] }

// load creates Pods that ask, at a steady rate: whoever is late does not slow the next. What the API server answers is
// counted, and then, a batch at a time, what it has stored.
type load struct {
	*bed
	sync.Mutex
	tally
	spaces []string
	// clearing is the end of what was begun to be deleted, for each of the spaces.
	clearing []sync.WaitGroup
}

// under has faults happen under load, which goes on until they are through and at least so many Pods are created.
func (b *bed) under(t *testing.T, atLeast int, faults func()) *tally {
	t.Helper()
	l := &load{bed: b, clearing: make([]sync.WaitGroup, 2)}
	for i := range l.clearing {
		l.spaces = append(l.spaces, b.namespace(t, fmt.Sprintf("load-%d-%d", loads.Add(1), i), nil, nil))
	}
	b.inForce(t)
	connections := b.service.accepted.Load()
	through := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { l.run(t.Context(), atLeast, through) })
	func() {
		defer running.Wait()
		defer close(through)
		faults()
	}()
	l.connections = b.service.accepted.Load() - connections
	return &l.tally
}

func (l *load) run(ctx context.Context, atLeast int, through <-chan struct{}) {
	began := time.Now()
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	var of *sync.WaitGroup // the batch
	for n, ended := 0, false; !ended || n < atLeast; {
		turn := (n / batch) % len(l.spaces)
		if n%batch == 0 {
			l.clearing[turn].Wait() // what was created here before is gone
			of = new(sync.WaitGroup)
		}
		of.Go(func() { l.one(ctx, l.spaces[turn]) })
		if n++; n%batch == 0 {
			full := of
			l.clearing[turn].Go(func() { full.Wait(); l.clear(ctx, l.spaces[turn]) })
		}
		<-tick.C
		select {
		case <-through:
			ended = true
		default:
		}
	}
	of.Wait()
	l.took = time.Since(began)
	for turn := range l.spaces {
		l.clearing[turn].Wait()
		l.clear(ctx, l.spaces[turn])
	}
}

var loads atomic.Int64

// one creates a Pod and counts the answer.
func (l *load) one(ctx context.Context, space string) {
	p, err := l.create(ctx, space, pod(asking()), false)
	l.Lock()
	defer l.Unlock()
	l.created++
	switch {
	case err == nil && injected(p):
		l.injected++
	case err == nil:
		l.bare = append(l.bare, p.Name)
	case strings.Contains(err.Error(), byPolicy):
		l.refused++
	default:
		l.failed = append(l.failed, err.Error())
	}
}

// clear counts the Pods that are stored in a Namespace and deletes them.
func (l *load) clear(ctx context.Context, space string) {
	list, err := l.kube.CoreV1().Pods(space).List(ctx, metav1.ListOptions{})
	if err == nil {
		zero := int64(0)
		err = l.kube.CoreV1().Pods(space).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &zero}, metav1.ListOptions{})
	}
	l.Lock()
	defer l.Unlock()
	if err != nil {
		l.failed = append(l.failed, err.Error())
		return
	}
	l.stored += int64(len(list.Items))
	list.Items = slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return injected(&p) })
	for i := range list.Items {
		l.bare = append(l.bare, "stored: "+list.Items[i].Name)
	}
}
