// Package kubernetes keeps keys up to date from the API server: the data of named ConfigMaps and the endpoints of named
// Services of one Namespace, by list and watch. It needs a token with these rights: get, list and watch of the ConfigMaps
// by their names, list and watch of EndpointSlices.
package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/pillion-dev/pillion/confd"
)

// Backend follows ConfigMaps and Services. A key NAME of a ConfigMap is /configmaps/CONFIGMAP/NAME; an endpoint that is
// ready is /endpoints/SERVICE/PORT/ADDRESS, PORT being the port's name, or its number where it has none, with ADDRESS:NUMBER
// as the value.
type Backend struct {
	Config     *rest.Config
	Namespace  string
	ConfigMaps []string
	Services   []string
}

// Selects knows directories: /configmaps/a does not select /configmaps/ab.
func (b *Backend) Selects(path, key string) bool { return confd.Below(path, key) }

// Follow keeps keys up to date until the context ends, or the API server refuses or cannot be reached; what was read before
// stays.
func (b *Backend) Follow(ctx context.Context, _ []string, keys *confd.Keys) error {
	core, err := b.client(&corev1.SchemeGroupVersion, "/api", corev1.AddToScheme)
	if err != nil {
		return err
	}
	discovery, err := b.client(&discoveryv1.SchemeGroupVersion, "/apis", discoveryv1.AddToScheme)
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	all := &objects{keys: keys}
	var sources []*source
	for _, name := range b.ConfigMaps {
		one := fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
		sources = append(sources, &source{
			client: core, resource: "configmaps", fields: one, kind: &corev1.ConfigMap{}, store: all.add(configMap),
		})
	}
	if len(b.Services) > 0 {
		several := discoveryv1.LabelServiceName + " in (" + strings.Join(b.Services, ",") + ")"
		sources = append(sources, &source{
			client: discovery, resource: "endpointslices", labels: several, kind: &discoveryv1.EndpointSlice{}, store: all.add(endpointSlice),
		})
	}
	var group wait.Group
	for _, s := range sources {
		s.namespace, s.fail = b.Namespace, fail
		s.follow(ctx, &group)
	}
	<-ctx.Done()
	group.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

// client speaks of one group only: the clients for all cost memory.
func (b *Backend) client(group *schema.GroupVersion, at string, add func(*runtime.Scheme) error) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := add(scheme); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, *group)
	config := rest.CopyConfig(b.Config)
	config.GroupVersion, config.APIPath = group, at
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	return rest.RESTClientFor(config)
}

// source lists and watches some objects of one resource. What the API server refuses ends all.
type source struct {
	client              *rest.RESTClient
	namespace, resource string
	fields, labels      string
	kind                runtime.Object
	store               *store
	fail                context.CancelCauseFunc
}

func (s *source) follow(ctx context.Context, group *wait.Group) {
	backoff := wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 6, Cap: 5 * time.Second}
	r := cache.NewReflectorWithOptions(s.listWatch(), s.kind, s.store, cache.ReflectorOptions{Name: s.resource, Backoff: &backoff})
	// The Reflector would log every attempt; errors end Follow, and are logged once.
	group.StartWithContext(klog.NewContext(ctx, logr.Discard()), r.RunWithContext)
}

func (s *source) listWatch() *cache.ListWatch {
	request := func(o metav1.ListOptions) *rest.Request {
		o.FieldSelector, o.LabelSelector = s.fields, s.labels
		return s.client.Get().Namespace(s.namespace).Resource(s.resource).VersionedParams(&o, metav1.ParameterCodec)
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := request(o).Do(ctx).Get()
			return list, s.heard(err)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.Watch = true
			w, err := request(o).Watch(ctx)
			return w, s.heard(err)
		},
	}
}

// heard ends Follow for an error that the Reflector does not deal with by listing anew, or in the older way.
func (s *source) heard(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), apierrors.IsInvalid(err),
		apierrors.IsResourceExpired(err), apierrors.IsGone(err):
	case apierrors.IsForbidden(err):
		s.fail(fmt.Errorf("the ServiceAccount may not list and watch %s: %w", s.resource, err))
	default:
		s.fail(fmt.Errorf("the API server: %w", err))
	}
	return err
}

// objects gathers what several sources found.
type objects struct {
	keys *confd.Keys

	mu     sync.Mutex
	stores []*store
}

// store is one source's: the pairs of each of its objects, by the object's name.
type store struct {
	of     *objects
	pairs  func(object any) []confd.KVPair
	synced bool
	known  map[string][]confd.KVPair
}

func (o *objects) add(pairs func(any) []confd.KVPair) *store {
	s := &store{of: o, pairs: pairs, known: map[string][]confd.KVPair{}}
	o.stores = append(o.stores, s)
	return s
}

// publish gives the keys of all objects, once every source has told its own.
func (o *objects) publish() {
	seen := map[string]string{}
	for _, s := range o.stores {
		if !s.synced {
			return
		}
		for _, pairs := range s.known {
			for _, p := range pairs {
				seen[p.Key] = p.Value
			}
		}
	}
	all := make([]confd.KVPair, 0, len(seen))
	for key, value := range seen {
		all = append(all, confd.KVPair{Key: key, Value: value})
	}
	o.keys.Replace(all)
}

// Add takes an object up.
func (s *store) Add(object any) error {
	name, pairs := nameOf(object), s.pairs(object)
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.known[name] = pairs
	s.of.publish()
	return nil
}

// Update takes an object's change up.
func (s *store) Update(object any) error { return s.Add(object) }

// Delete forgets an object.
func (s *store) Delete(object any) error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	delete(s.known, nameOf(object))
	s.of.publish()
	return nil
}

// Replace takes up all objects there are.
func (s *store) Replace(list []any, _ string) error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.synced = true
	clear(s.known)
	for _, object := range list {
		s.known[nameOf(object)] = s.pairs(object)
	}
	s.of.publish()
	return nil
}

// Resync has nothing to do.
func (s *store) Resync() error { return nil }

func nameOf(object any) string {
	m, ok := object.(metav1.Object)
	if !ok {
		return ""
	}
	return m.GetName()
}

func configMap(object any) []confd.KVPair {
	m, ok := object.(*corev1.ConfigMap)
	if !ok {
		return nil
	}
	var pairs []confd.KVPair
	for key, value := range m.Data {
		pairs = append(pairs, confd.KVPair{Key: path.Join("/configmaps", m.Name, key), Value: value})
	}
	return pairs
}

func endpointSlice(object any) []confd.KVPair {
	s, ok := object.(*discoveryv1.EndpointSlice)
	if !ok {
		return nil
	}
	var pairs []confd.KVPair
	for _, port := range s.Ports {
		if port.Port == nil {
			continue
		}
		number := strconv.Itoa(int(*port.Port))
		name := number
		if port.Name != nil && *port.Name != "" {
			name = *port.Name
		}
		for _, e := range s.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			for _, address := range e.Addresses {
				key := path.Join("/endpoints", s.Labels[discoveryv1.LabelServiceName], name, address)
				pairs = append(pairs, confd.KVPair{Key: key, Value: net.JoinHostPort(address, number)})
			}
		}
	}
	return pairs
}
