package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/pillion-dev/pillion/certs"
)

// Times of the self-managed certificates.
const (
	// certificateInterval is the time between two looks at the clock. No timer runs longer: a machine that slept, or whose
	// clock was set, is a minute late at most.
	certificateInterval = time.Minute
	// certificateSettle is how long a bundle has to be in place before a leaf of its newest CA is, so that every API server
	// has read it; and how long the leaves have to be in place before an old CA goes, so that every kubelet has written them
	// into the Pods, which takes it a minute and a half.
	certificateSettle = 2 * time.Minute
	// certificateRetry is the time to the next round after one that failed.
	certificateRetry = 5 * time.Second
	// certificateBurst is the least time between two rounds, however often the objects change.
	certificateBurst = 200 * time.Millisecond
)

// CertificateOptions say which certificates are managed. The objects exist already: none is made or deleted.
type CertificateOptions struct {
	// Namespace is that of the Secrets.
	Namespace string
	// Authority is the Secret of the CA.
	Authority string
	// Serving are the Secrets of serving certificates, and the DNS name of each.
	Serving map[string]string
	// Mutating and Validating are the configurations whose webhooks get the CAs as their caBundle.
	Mutating, Validating []string
	Lifetimes            certs.Lifetimes
	// Interval, Settle: 0 means a minute and two.
	Interval, Settle time.Duration
}

// Certificates manages a CA and the serving certificates that it signs. What stands in the API server is all it goes by, and
// each of its writes is conditional, so that another replica goes on where this one stopped.
type Certificates struct {
	CertificateOptions
	secrets corev1client.SecretInterface
	objects dynamic.Interface
	meta    metadata.Interface
	clock   *serverClock
	log     *slog.Logger
	wake    chan struct{}
	// inPlace is since when every configuration has the newest CA, switched since when every leaf is signed by it.
	inPlace, switched since

	mu         sync.Mutex
	ready      map[string]bool
	caNotAfter time.Time
	renewals   map[string]int
}

// What is renewed, in the metric.
const (
	renewedLeaf   = "leaf"
	renewedCA     = "ca"
	renewedBundle = "bundle"
)

// since remembers for how long something has been so, by the clock that no one sets.
type since struct {
	what string
	at   time.Time
}

// lasts tells for how long it has been so; an empty text is nothing.
func (s *since) lasts(what string) time.Duration {
	if what == "" || s.what != what {
		s.what, s.at = what, time.Now()
	}
	return time.Since(s.at)
}

// NewCertificates makes a Certificates.
func NewCertificates(config *rest.Config, o CertificateOptions, log *slog.Logger) (*Certificates, error) {
	if o.Interval == 0 {
		o.Interval = certificateInterval
	}
	if o.Settle == 0 {
		o.Settle = certificateSettle
	}
	clock := new(serverClock)
	config = rest.CopyConfig(config)
	config.Wrap(clock.wrap)
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Certificates{
		CertificateOptions: o, secrets: core.Secrets(o.Namespace), objects: objects, meta: meta, clock: clock, log: log,
		wake: make(chan struct{}, 1), ready: map[string]bool{}, renewals: map[string]int{},
	}, nil
}

// configurations lists the configurations by resource.
func (c *Certificates) configurations() map[schema.GroupVersionResource][]string {
	return map[schema.GroupVersionResource][]string{
		admissionResource("mutatingwebhookconfigurations"):   c.Mutating,
		admissionResource("validatingwebhookconfigurations"): c.Validating,
	}
}

// NeedLeaderElection is false: a replica becomes ready by its certificate, and where the one that leads is of a release that
// manages none, nobody else would make it. Two of them do not get in each other's way.
func (c *Certificates) NeedLeaderElection() bool { return false }

// Start works until the context ends.
func (c *Certificates) Start(ctx context.Context) error {
	c.followAll(ctx)
	var last string
	for ctx.Err() == nil {
		next, err := c.Round(ctx)
		// A problem is told when it comes, when it changes and when it is over, not each time it is met.
		switch text := fmt.Sprint(err); {
		case err != nil && text != last && ctx.Err() == nil:
			c.log.Warn("certificates", "error", err)
			last = text
		case err == nil && last != "":
			c.log.Info("certificates are in order")
			last = ""
		}
		c.pause(ctx, next)
	}
	return nil
}

// followAll has the loop woken where one of the objects changes.
func (c *Certificates) followAll(ctx context.Context) {
	wake := func() {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	for resource, names := range c.configurations() {
		for _, name := range names {
			go follow(ctx, c.meta, resource, "", name, wake, c.log)
		}
	}
	for name := range c.Serving {
		go follow(ctx, c.meta, secretsResource, c.Namespace, name, wake, c.log)
	}
	go follow(ctx, c.meta, secretsResource, c.Namespace, c.Authority, wake, c.log)
}

// pause returns when it is time for the next round, or something changed.
func (c *Certificates) pause(ctx context.Context, next time.Duration) {
	least := time.NewTimer(certificateBurst)
	defer least.Stop()
	select {
	case <-least.C:
	case <-ctx.Done():
		return
	}
	rest := time.NewTimer(max(0, min(next, c.Interval)-certificateBurst))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-c.wake:
	case <-ctx.Done():
	}
}

// Round looks at everything once and does what is due. It gives the time until it has to be called again at the latest, and
// everything that is wrong. What it does not get to, the next round does.
func (c *Certificates) Round(ctx context.Context) (next time.Duration, err error) {
	r := &certificateRound{Certificates: c, next: c.Interval}
	err = errors.Join(r.run(ctx)...)
	if err != nil {
		r.next = min(r.next, certificateRetry)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for secret := range c.Serving {
		c.ready[secret] = r.good[secret]
	}
	if r.authority != nil {
		c.caNotAfter = r.authority.NotAfter()
	}
	return r.next, err
}

// renewed counts and logs what was done.
func (c *Certificates) renewed(what, object, why string) {
	c.log.Info("certificates: wrote "+what, "object", object, "why", why)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewals[what]++
}
