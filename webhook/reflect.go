package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// retry is how long a watch that ended waits before it is tried again: a second and a half at most. client-go's default
// grows to a minute; what is known here should be up to date seconds after the API server is back.
var retry = wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 5, Cap: time.Second}

// dialTimeout is how long a connection may take to come about. An API server that comes back may be asked again the sooner.
const dialTimeout = 3 * time.Second

// prompt is the configuration with dialTimeout, where it says nothing of connections, and with no other retries than those
// of the Reflector.
func prompt(config *rest.Config) *rest.Config {
	c := rest.CopyConfig(config)
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	c.Wrap(func(t http.RoundTripper) http.RoundTripper { return impatient{t} })
	return c
}

// impatient does not tell client-go, which would obey, that an API server that is about to start wants to be left alone for
// five seconds. One that has too much to do answers 429, and is given the time it asks for.
type impatient struct{ http.RoundTripper }

func (t impatient) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusServiceUnavailable {
		res.Header.Del("Retry-After")
	}
	return res, err
}

// WrappedRoundTripper lets client-go find the transport.
func (t impatient) WrappedRoundTripper() http.RoundTripper { return t.RoundTripper }

// source lists and watches the objects of one kind.
type source struct {
	list  func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch func(context.Context, metav1.ListOptions) (watch.Interface, error)
	// heard is told how each request ended.
	heard func(error)
}

// follow keeps a store up to date until the context ends. Objects that the store's transformer was given may be given to it
// again. An API server that is away is tried again for as long; what the store holds stays.
func follow(ctx context.Context, name string, s source, store cache.TransformingStore) {
	backoff := retry
	r := cache.NewReflectorWithOptions(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := s.list(ctx, o)
			s.heard(err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := s.watch(ctx, o)
			s.heard(err)
			return w, err
		},
	}, nil, store, cache.ReflectorOptions{Name: name, TypeDescription: name, Backoff: &backoff})
	// The Reflector would log every attempt; contact tells of the first.
	r.RunWithContext(klog.NewContext(ctx, logr.Discard()))
}

// contact knows whether the API server could be asked about one kind of objects, and logs when that changes.
type contact struct {
	resource string
	log      *slog.Logger
	// trouble is why not; nil where it could.
	trouble atomic.Pointer[error]
}

func (c *contact) heard(err error) {
	switch {
	case errors.Is(err, context.Canceled), apierrors.IsInvalid(err):
		// Invalid: an older API server, which is then asked in the older way.
	case err == nil:
		if c.trouble.Swap(nil) != nil {
			c.log.Info("the API server answers again", "resource", c.resource)
		}
	default:
		if was := c.trouble.Swap(&err); was == nil || apierrors.IsNotFound(*was) != apierrors.IsNotFound(err) {
			c.log.Warn("the API server cannot be asked; it is tried until it can be", "resource", c.resource, "error", c.why())
		}
	}
}

// missing reports whether the API server says that it has no such kind.
func (c *contact) missing() bool {
	err := c.trouble.Load()
	return err != nil && apierrors.IsNotFound(*err)
}

// why says what the trouble is; empty where there is none.
func (c *contact) why() string {
	switch err := c.trouble.Load(); {
	case err == nil:
		return ""
	case c.missing():
		return "the API server knows no " + c.resource + "; are the CRDs installed?"
	default:
		return cut((*err).Error(), maxMessage)
	}
}
