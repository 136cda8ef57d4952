package controller

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// Lack says why a Pod that asks for sidecars has none.
type Lack string

// The reasons.
const (
	// LackMissed: it would get them if it were created now, so nobody called the webhook when it was.
	LackMissed Lack = "missed"
	// LackRefused: its request cannot be met, now at least.
	LackRefused Lack = "refused"
	// LackIgnored: as LackRefused, and its failure-policy is Ignore.
	LackIgnored Lack = "ignored"
	// LackExcluded: it is a mirror Pod, or in kube-system or Pillion's own Namespace.
	LackExcluded Lack = "excluded"
	// LackPending: it has not been looked at yet.
	LackPending Lack = "pending"
)

// Lacks lists all reasons.
func Lacks() []Lack { return []Lack{LackMissed, LackRefused, LackIgnored, LackExcluded, LackPending} }

// maxLooks is how many Pods are read from the API server in one round of the audit.
const maxLooks = 200

// Auditor finds Pods that ask for sidecars and run without any: those that were created while nobody called the webhook, or
// before their Namespace was labelled. It follows the metadata of Pods without Pillion's label, and reads a Pod whole only
// where it asks. What it finds it counts and tells the Pods' owners, round by round.
type Auditor struct {
	meta       metadata.Interface
	pods       corev1client.PodsGetter
	entries    *Entries
	namespaces *Namespaces
	tell       *teller
	own        string
	interval   time.Duration
	log        *slog.Logger
	*follower

	mu   sync.Mutex
	bare map[sidecars.Key]*barePod
	// counts of the last round; nil before it.
	counts map[Lack]int
}

// barePod is what is known of a Pod without Pillion's label.
type barePod struct {
	uid         types.UID
	annotations map[string]string
	owner       *metav1.OwnerReference
	mirror      bool

	// judged is the verdict on the Pod, and what it was judged by.
	judged  *judgement
	catalog string
	ns      *sidecars.Namespace
}

// judgement is why a Pod lacks its sidecars, empty where it does not, and their names and the mistakes.
type judgement struct {
	why      Lack
	sidecars []string
	mistakes string
}

// Start audits until the context ends.
func (a *Auditor) Start(ctx context.Context) error {
	client := a.meta.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"})
	uninjected := func(o metav1.ListOptions) metav1.ListOptions {
		o.LabelSelector = "!" + v1alpha1.LabelInjected
		o.FieldSelector = "status.phase!=" + string(corev1.PodSucceeded) + ",status.phase!=" + string(corev1.PodFailed)
		return o
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, uninjected(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, uninjected(o))
		},
	}
	var following sync.WaitGroup
	following.Go(func() { a.run(ctx, lw, &metav1.PartialObjectMetadata{}, "pods without sidecars", a.log) })
	defer following.Wait()
	if a.wait(ctx) != nil || a.namespaces.wait(ctx) != nil || a.entries.Wait(ctx) != nil {
		return nil
	}
	ticker := time.NewTicker(a.interval)
	defer ticker.Stop()
	for {
		a.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// slimBare drops of a Pod's metadata all that says nothing about sidecars.
func slimBare(object any) (any, error) {
	was, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	annotations := maps.Clone(was.Annotations)
	maps.DeleteFunc(annotations, func(key, _ string) bool {
		return !strings.HasPrefix(key, v1alpha1.Prefix) && key != corev1.MirrorPodAnnotationKey
	})
	meta := metav1.ObjectMeta{Name: was.Name, Namespace: was.Namespace, UID: was.UID, ResourceVersion: was.ResourceVersion,
		DeletionTimestamp: was.DeletionTimestamp, Annotations: annotations, OwnerReferences: was.OwnerReferences}
	return &metav1.PartialObjectMetadata{TypeMeta: was.TypeMeta, ObjectMeta: meta}, nil
}

func (a *Auditor) put(key sidecars.Key, object any) {
	m, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return
	}
	if m.DeletionTimestamp != nil {
		a.drop(key)
		return
	}
	pod := &barePod{uid: m.UID, owner: metav1.GetControllerOfNoCopy(m)}
	if len(m.Annotations) > 0 {
		pod.annotations = m.Annotations
		_, pod.mirror = m.Annotations[corev1.MirrorPodAnnotationKey]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if was := a.bare[key]; was == nil || was.uid != pod.uid || !maps.Equal(was.annotations, pod.annotations) {
		a.bare[key] = pod
	}
}

func (a *Auditor) drop(key sidecars.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.bare, key)
}

// round judges every Pod that asks, tells of those that lack their sidecars, and counts them.
func (a *Auditor) round(ctx context.Context) {
	catalog, looks := a.entries.Catalog(), maxLooks
	counts := map[Lack]int{}
	lacking := map[owned][]lackingPod{}
	for key, pod := range a.asking() {
		ns := a.namespaces.facts(key.Namespace)
		if !a.asks(key, pod, catalog, ns) {
			continue
		}
		if pod.judged == nil || pod.catalog != catalog.Revision() || pod.ns != ns {
			if looks--; looks < 0 {
				counts[LackPending]++
				continue
			}
			verdict, err := a.judge(ctx, key, pod, catalog, ns)
			if err != nil {
				a.log.Warn("audit", "pod", key.String(), "error", err)
				counts[LackPending]++
				continue
			}
			pod.judged, pod.catalog, pod.ns = verdict, catalog.Revision(), ns
		}
		if why := pod.judged.why; why != "" {
			counts[why]++
			at := owned{namespace: key.Namespace, why: why, owner: ownerOf(key, pod)}
			lacking[at] = append(lacking[at], lackingPod{key.Name, pod.judged})
		}
	}
	a.mu.Lock()
	a.counts = counts
	a.mu.Unlock()
	a.tell.round(ctx, lacking)
}

// asking gives the Pods that may ask: by an annotation of their own, or of their Namespace.
func (a *Auditor) asking() map[sidecars.Key]*barePod {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[sidecars.Key]*barePod{}
	for key, pod := range a.bare {
		if pod.annotations[v1alpha1.AnnotationInject] != "" || a.namespaces.facts(key.Namespace).Annotations[v1alpha1.AnnotationInject] != "" {
			out[key] = pod
		}
	}
	return out
}

// asks reports whether a Pod asks, as far as its metadata tell.
func (a *Auditor) asks(key sidecars.Key, pod *barePod, catalog *sidecars.Catalog, ns *sidecars.Namespace) bool {
	object, err := json.Marshal(map[string]any{"metadata": map[string]any{"name": key.Name, "annotations": pod.annotations}})
	if err != nil {
		return false
	}
	view, err := sidecars.ReadPod(object)
	return err == nil && sidecars.Inject(catalog, view, ns).Outcome != sidecars.Skipped
}

// judge reads a Pod and says why it lacks its sidecars.
func (a *Auditor) judge(ctx context.Context, key sidecars.Key, pod *barePod, catalog *sidecars.Catalog, ns *sidecars.Namespace) (*judgement, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	whole, err := a.pods.Pods(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && whole.UID != pod.uid {
		return &judgement{}, nil // the watch will tell
	}
	if err != nil {
		return nil, err
	}
	object, err := json.Marshal(whole)
	if err != nil {
		return nil, err
	}
	view, err := sidecars.ReadPod(object)
	if err != nil {
		return nil, err
	}
	res := sidecars.Inject(catalog, view, ns)
	verdict := &judgement{sidecars: res.Sidecars}
	if len(res.Errors) > 0 {
		verdict.mistakes = summary(res.Errors)
	}
	switch {
	case res.Outcome == sidecars.Skipped, res.Outcome == sidecars.Unchanged:
	case pod.mirror, key.Namespace == systemNamespace, key.Namespace == a.own:
		verdict.why = LackExcluded
	case res.Outcome == sidecars.Injected:
		verdict.why = LackMissed
	case res.Outcome == sidecars.Ignored:
		verdict.why = LackIgnored
	default:
		verdict.why = LackRefused
	}
	return verdict, nil
}

// found gives the counts of the last round, nil before there was one.
func (a *Auditor) found() map[Lack]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counts
}

// NewAuditor makes an Auditor. It needs the rights to list, watch and get Pods, to get the metadata of ReplicaSets and Jobs,
// and to write events. own is Pillion's Namespace.
func NewAuditor(meta metadata.Interface, pods corev1client.PodsGetter, entries *Entries, namespaces *Namespaces, recorder events.EventRecorder,
	own string, interval time.Duration, log *slog.Logger) *Auditor {
	a := &Auditor{meta: meta, pods: pods, entries: entries, namespaces: namespaces, own: own, interval: interval, log: log,
		bare: map[sidecars.Key]*barePod{}, tell: &teller{meta: meta, recorder: recorder, told: map[owned]told{}}}
	a.follower = newFollower(slimBare, a.put, a.drop)
	return a
}

// lackingPod is a Pod and why it lacks its sidecars.
type lackingPod struct {
	name string
	*judgement
}

// names of the sidecars that some Pods lack, sorted.
func names(pods []lackingPod) []string {
	var out []string
	for _, p := range pods {
		out = append(out, p.sidecars...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
