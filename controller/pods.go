package controller

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// Pods counts the Pods that carry sidecars. Of a Pod it keeps, for each sidecar that its status annotation lists, what
// decides whether that one is as the catalog has it: the entry's annotations, and name, image, command and args of its
// containers. Pods that have all of that in common, as those of a Deployment do, share it; of the Pod itself only its
// name is kept. Pods that have ended do not count.
type Pods struct {
	client     corev1client.PodsGetter
	namespaces *Namespaces
	*follower
	log *slog.Logger

	mu      sync.Mutex
	carried map[sidecars.Key][]*carrying
	// byName leads from a sidecar by Namespace to what Pods carry of it.
	byName map[string]map[string]map[string]*carrying
	// changed is told of sidecars whose counts in a Namespace may be others now.
	changed func(namespace, sidecar string)
}

// carrying is what some Pods of a Namespace carry of one sidecar.
type carrying struct {
	sidecar, namespace string
	// pod is the Pod without all that does not matter, as JSON.
	pod string
	// pods is their number.
	pods int32

	// state is the answer for an entry and a Namespace; it is asked again where these are others.
	state     sidecars.State
	entry     *sidecars.Entry
	ns        *sidecars.Namespace
	evaluated bool
}

// NewPods makes a Pods. It needs the rights to list and watch Pods. Nothing is known before it runs.
func NewPods(client corev1client.PodsGetter, namespaces *Namespaces, changed func(namespace, sidecar string), log *slog.Logger) *Pods {
	p := &Pods{client: client, namespaces: namespaces, changed: changed, log: log,
		carried: map[sidecars.Key][]*carrying{}, byName: map[string]map[string]map[string]*carrying{}}
	p.follower = newFollower(slimPod, p.put, p.drop)
	return p
}

// Start follows the injected Pods until the context ends.
func (p *Pods) Start(ctx context.Context) error {
	client := p.client.Pods(metav1.NamespaceAll)
	injected := func(o metav1.ListOptions) metav1.ListOptions {
		o.LabelSelector = v1alpha1.LabelInjected
		return o
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, injected(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, injected(o))
		},
	}
	p.run(ctx, lw, &corev1.Pod{}, "pods", p.log)
	return nil
}

// slimmed is a Pod without all that does not matter: what it carries by sidecar, in the order of injection.
type slimmed struct {
	metav1.ObjectMeta
	names, pods []string
}

// mostSidecars bounds what is read of a status annotation, which anyone who makes a Pod can write.
const mostSidecars = 32

func slimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	out := &slimmed{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion}}
	var st v1alpha1.Status
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed ||
		json.Unmarshal([]byte(pod.Annotations[v1alpha1.AnnotationStatus]), &st) != nil || st.Version != v1alpha1.StatusVersion {
		return out, nil
	}
	for i := range st.Sidecars[:min(len(st.Sidecars), mostSidecars)] {
		s := &st.Sidecars[i]
		if slices.Contains(out.names, s.Name) {
			continue
		}
		only, err := onlySidecar(pod, s)
		if err != nil {
			return nil, err
		}
		out.names, out.pods = append(out.names, strings.Clone(s.Name)), append(out.pods, only)
	}
	return out, nil
}

// onlySidecar gives what decides over the state of one sidecar of a Pod, as the JSON of a Pod.
func onlySidecar(pod *corev1.Pod, s *v1alpha1.InjectedSidecar) (string, error) {
	status, err := json.Marshal(v1alpha1.Status{Version: v1alpha1.StatusVersion,
		Sidecars: []v1alpha1.InjectedSidecar{{Name: s.Name, Revision: s.Revision, Containers: s.Containers}}})
	if err != nil {
		return "", err
	}
	annotations := map[string]string{v1alpha1.AnnotationStatus: string(status)}
	for k, v := range pod.Annotations {
		if strings.HasPrefix(k, v1alpha1.Prefix+s.Name+".") {
			annotations[k] = v
		}
	}
	type container struct {
		Name    string   `json:"name"`
		Image   string   `json:"image,omitempty"`
		Command []string `json:"command,omitempty"`
		Args    []string `json:"args,omitempty"`
	}
	ours := func(list []corev1.Container) []container {
		var out []container
		for i := range list {
			if c := &list[i]; slices.Contains(s.Containers, c.Name) {
				out = append(out, container{c.Name, c.Image, c.Command, c.Args})
			}
		}
		return out
	}
	b, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": annotations},
		"spec":     map[string]any{"initContainers": ours(pod.Spec.InitContainers), "containers": ours(pod.Spec.Containers)},
	})
	return string(b), err
}

func (p *Pods) put(key sidecars.Key, object any) {
	now, ok := object.(*slimmed)
	if !ok {
		return
	}
	p.mu.Lock()
	was := p.carried[key]
	same := len(was) == len(now.names)
	for i := 0; same && i < len(was); i++ {
		same = was[i].sidecar == now.names[i] && was[i].pod == now.pods[i]
	}
	if same {
		p.mu.Unlock()
		return
	}
	changed := p.take(key)
	for i, name := range now.names {
		c := p.share(key.Namespace, name, now.pods[i])
		c.pods++
		p.carried[key] = append(p.carried[key], c)
		changed = append(changed, name)
	}
	p.mu.Unlock()
	p.tell(key.Namespace, changed)
}

func (p *Pods) drop(key sidecars.Key) {
	p.mu.Lock()
	changed := p.take(key)
	p.mu.Unlock()
	p.tell(key.Namespace, changed)
}

// take takes a Pod out of the counts and gives the names of its sidecars.
func (p *Pods) take(key sidecars.Key) (names []string) {
	for _, c := range p.carried[key] {
		names = append(names, c.sidecar)
		if c.pods--; c.pods > 0 {
			continue
		}
		delete(p.byName[c.sidecar][c.namespace], c.pod)
		if len(p.byName[c.sidecar][c.namespace]) == 0 {
			delete(p.byName[c.sidecar], c.namespace)
		}
		if len(p.byName[c.sidecar]) == 0 {
			delete(p.byName, c.sidecar)
		}
	}
	delete(p.carried, key)
	return names
}

// share gives what Pods with the same have in common.
func (p *Pods) share(namespace, sidecar, pod string) *carrying {
	spaces := p.byName[sidecar]
	if spaces == nil {
		spaces = map[string]map[string]*carrying{}
		p.byName[sidecar] = spaces
	}
	if spaces[namespace] == nil {
		spaces[namespace] = map[string]*carrying{}
	}
	c := spaces[namespace][pod]
	if c == nil {
		c = &carrying{sidecar: sidecar, namespace: namespace, pod: pod}
		spaces[namespace][pod] = c
	}
	return c
}

func (p *Pods) tell(namespace string, names []string) {
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		p.changed(namespace, name)
	}
}

// tellOf tells of all sidecars in a Namespace.
func (p *Pods) tellOf(namespace string) {
	p.mu.Lock()
	var names []string
	for name, spaces := range p.byName {
		if len(spaces[namespace]) > 0 {
			names = append(names, name)
		}
	}
	p.mu.Unlock()
	p.tell(namespace, names)
}

// counts counts the Pods that carry an entry. A Pod belongs to the entry that its Namespace gets by that name today: all that
// carry a ClusterSidecar's name are the ClusterSidecar's, also those that were given a Sidecar of that name before, which are
// outdated; a Sidecar that a ClusterSidecar hides has none.
func (p *Pods) counts(c *sidecars.Catalog, key sidecars.Key) (n v1alpha1.PodCounts) {
	if key.Namespace != "" && hidden(c, key) {
		return n
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for namespace, carryings := range p.byName[key.Name] {
		if key.Namespace != "" && key.Namespace != namespace {
			continue
		}
		ns := p.namespaces.get(namespace)
		for _, one := range carryings {
			switch one.stateIn(c, ns) {
			case sidecars.StateCurrent:
				n.Current += one.pods
			case sidecars.StateChanged:
				n.Changed += one.pods
			default:
				n.Outdated += one.pods
			}
		}
	}
	return n
}

// hidden reports whether the cluster has an entry of a Sidecar's name.
func hidden(c *sidecars.Catalog, key sidecars.Key) bool {
	return c.Entry("", key.Name) != nil || c.LeftOut("", key.Name) != ""
}

// stateIn compares with the catalog, where entry or Namespace are others than at the last time.
func (c *carrying) stateIn(catalog *sidecars.Catalog, ns *sidecars.Namespace) sidecars.State {
	entry := catalog.Entry(c.namespace, c.sidecar)
	if c.evaluated && c.entry == entry && c.ns == ns {
		return c.state
	}
	c.entry, c.ns, c.evaluated, c.state = entry, ns, true, sidecars.StateOutdated
	if ns == nil {
		ns = &sidecars.Namespace{Name: c.namespace}
	}
	if pod, err := sidecars.ReadPod([]byte(c.pod)); err == nil {
		if states := catalog.States(pod, ns); len(states) == 1 {
			c.state = states[0].State
		}
	}
	return c.state
}
