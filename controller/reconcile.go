package controller

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// fieldManager is the name under which the status is written.
const fieldManager = "pillion-controller"

// Times of the status.
const (
	// settle is how long a change of Pods waits for further ones: an entry's counts are written once in that time.
	settle = time.Second
	// tryAgain is when the API server is asked again about a Pod, where it could not be.
	tryAgain = 5 * time.Minute
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// reconciler writes the status of entries. A request without Namespace names a ClusterSidecar.
type reconciler struct {
	prover  *prover
	entries *Entries
	pods    *Pods
	client  dynamic.Interface
	events  events.EventRecorder
	log     *slog.Logger

	mu sync.Mutex
	// queue is nil until this replica leads.
	queue    queue
	verdicts map[sidecars.Key]*remembered
}

// remembered is a verdict and what it speaks of. It holds until the entry, or one that concerns it, changes.
type remembered struct {
	verdict
	uid        types.UID
	generation int64
	until      time.Time
}

// start takes all entries up once they are known, and their changes from then on.
func (r *reconciler) start(ctx context.Context, q queue) error {
	go func() {
		if r.entries.Wait(ctx) != nil {
			return
		}
		r.mu.Lock()
		r.queue = q
		r.mu.Unlock()
		r.entries.subscribe(r.entryChanged)
		r.addAll()
		if r.pods.wait(ctx) == nil && r.pods.namespaces.wait(ctx) == nil {
			r.addAll()
		}
	}()
	return nil
}

func (r *reconciler) addAll() {
	for _, key := range r.entries.keys() {
		r.queue.Add(requestFor(key))
	}
}

func requestFor(key sidecars.Key) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: key.Namespace, Name: key.Name}}
}

// entryChanged has an entry judged again.
func (r *reconciler) entryChanged(key sidecars.Key) {
	r.mu.Lock()
	delete(r.verdicts, key)
	q := r.queue
	r.mu.Unlock()
	q.Add(requestFor(key))
}

// podsChanged has the Pods of a sidecar counted again, soon.
func (r *reconciler) podsChanged(namespace, name string) {
	r.mu.Lock()
	q := r.queue
	r.mu.Unlock()
	if q == nil {
		return
	}
	for _, key := range []sidecars.Key{{Name: name}, {Namespace: namespace, Name: name}} {
		if r.entries.get(key) != nil {
			q.AddAfter(requestFor(key), settle)
		}
	}
}

// Reconcile writes the status of one entry, where it is another.
func (r *reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	key := sidecars.Key{Namespace: req.Namespace, Name: req.Name}
	s := r.entries.get(key)
	if s == nil {
		r.forget(key)
		return reconcile.Result{}, nil
	}
	v := r.judge(ctx, s)
	var pods *v1alpha1.PodCounts
	if r.pods.isSynced() && r.pods.namespaces.isSynced() {
		n := r.pods.counts(r.entries.Catalog(), key)
		pods = &n
	}
	var again reconcile.Result
	if v.untried {
		again.RequeueAfter = max(time.Until(v.until), time.Second)
	}
	want := newStatus(s, &v.verdict, pods, metav1.Now().Rfc3339Copy())
	if sameStatus(&s.status, &want) {
		return again, nil
	}
	if err := r.write(ctx, s, &want); err != nil {
		return reconcile.Result{}, err
	}
	r.report(s, &want.Conditions[0])
	return again, nil
}

func (r *reconciler) forget(key sidecars.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.verdicts, key)
}

// judge gives the verdict on an entry, that from before where nothing changed since.
func (r *reconciler) judge(ctx context.Context, s *stored) *remembered {
	r.mu.Lock()
	was := r.verdicts[s.key]
	r.mu.Unlock()
	if was != nil && was.uid == s.uid && was.generation == s.generation && (was.until.IsZero() || time.Now().Before(was.until)) {
		return was
	}
	now := &remembered{uid: s.uid, generation: s.generation}
	// It is remembered before it is worked out: a change that comes in between forgets it, and has it worked out again.
	r.mu.Lock()
	r.verdicts[s.key] = now
	r.mu.Unlock()
	now.verdict = r.verdict(ctx, s)
	if now.untried {
		now.until = time.Now().Add(tryAgain)
	}
	return now
}

func (r *reconciler) verdict(ctx context.Context, s *stored) verdict {
	switch {
	case hiddenBy(r.entries.Catalog(), s):
		return shadowed(s.key.Name)
	case s.entry == nil:
		return verdictOf(&proof{errs: s.errs})
	}
	p := r.prover.prove(ctx, s.entry, !provedBefore(s))
	return verdictOf(&p)
}

// write applies the status. An object that is gone, or another by now, needs none; its own event follows.
func (r *reconciler) write(ctx context.Context, s *stored, want *v1alpha1.SidecarStatus) error {
	resource, kind := resourceOf(s.key)
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(want)
	if err != nil {
		return err
	}
	u := reference(s, kind)
	u.Object["status"] = status
	options := metav1.ApplyOptions{FieldManager: fieldManager, Force: true}
	got, err := r.client.Resource(resource).Namespace(s.key.Namespace).ApplyStatus(ctx, s.key.Name, u, options)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	r.entries.wrote(s.key, got)
	r.log.Info("status", "kind", kind, "namespace", s.key.Namespace, "name", s.key.Name, "reason", want.Conditions[0].Reason,
		"revision", want.Revision, "pods", maps.Collect(counted(want.Pods)))
	return nil
}

func counted(p v1alpha1.PodCounts) func(yield func(string, int32) bool) {
	return func(yield func(string, int32) bool) {
		_ = yield("current", p.Current) && yield("changed", p.Changed) && yield("outdated", p.Outdated)
	}
}

// reference names the very object, by its UID.
func reference(s *stored, kind string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(kind))
	u.SetName(s.key.Name)
	u.SetNamespace(s.key.Namespace)
	u.SetUID(s.uid)
	return u
}

// report makes an event of a condition that is another than it was.
func (r *reconciler) report(s *stored, now *metav1.Condition) {
	was := readyOf(s)
	if was != nil && was.Status == now.Status && was.Reason == now.Reason && (now.Status == metav1.ConditionTrue || was.Message == now.Message) {
		return
	}
	severity := corev1.EventTypeWarning
	if now.Status == metav1.ConditionTrue {
		severity = corev1.EventTypeNormal
	}
	_, kind := resourceOf(s.key)
	r.events.Eventf(reference(s, kind), nil, severity, now.Reason, "Prove", "%s", now.Message)
}
