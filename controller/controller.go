package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/webhook"
)

// LeaseName is the name of the Lease by which replicas agree on the one that writes.
const LeaseName = "pillion-controller"

// Limits on requests to the API server. They leave room for a dry run of an entry that is just being written while the
// status of a thousand others is.
const (
	requestsPerSecond = 100
	requestBurst      = 200
)

// Options set a Controller up.
type Options struct {
	// Config names the API server.
	Config *rest.Config
	// LeaderElect: only the replica that holds the Lease in LeaderElectionNamespace writes; without, this one does.
	LeaderElect             bool
	LeaderElectionNamespace string
	// DryRunNamespace is where Pods with entries of the cluster are tried; empty means that none is tried at all.
	DryRunNamespace string
	// OwnNamespace is Pillion's, in which nothing is injected.
	OwnNamespace string
	// AuditInterval is the time between two rounds of the Auditor; 0 means that there is none.
	AuditInterval time.Duration
	// Helper is what the cluster has of the node helper.
	Helper sidecars.Helper
	// NodeProfiles is the name of the ConfigMap of profiles in OwnNamespace; empty: none is written.
	NodeProfiles string
	// Certificates say what it does for serving certificates.
	Certificates CertificateModes
	// Server is where PathValidate and PathWorkloads are served. The Controller starts it.
	Server *webhook.Server
	Log    *slog.Logger
}

// Controller validates entries and writes their status.
type Controller struct {
	manager manager.Manager
	entries *Entries
	// auditor is nil where there is none.
	auditor      *Auditor
	certificates *certificateMetrics
}

// New makes a Controller.
func New(o Options) (*Controller, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	config := rest.CopyConfig(o.Config)
	config.QPS, config.Burst = requestsPerSecond, requestBurst
	mgr, err := manager.New(config, manager.Options{
		Scheme:                        scheme,
		Logger:                        logr.FromSlogHandler(o.Log.Handler()),
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              LeaseName,
		LeaderElectionNamespace:       o.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		Metrics:                       server.Options{BindAddress: "0"}, // package program serves them
		WebhookServer:                 o.Server,
	})
	if err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	c := &Controller{manager: mgr}
	return c, c.assemble(config, &o)
}

// assemble makes the parts and has the manager start them.
func (c *Controller) assemble(config *rest.Config, o *Options) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	binary := rest.CopyConfig(config)
	binary.ContentType, binary.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	core, err := corev1client.NewForConfig(binary)
	if err != nil {
		return err
	}
	c.entries = NewEntries(client, o.Log)
	c.entries.helper = o.Helper
	p := &prover{entries: c.entries}
	if o.DryRunNamespace != "" {
		p.dryRun = &DryRun{client: core, namespace: o.DryRunNamespace}
	}
	recorder := c.manager.GetEventRecorder(fieldManager)
	r := &reconciler{prover: p, entries: c.entries, client: client, events: recorder,
		log: o.Log, verdicts: map[sidecars.Key]*remembered{}}
	namespaces := NewNamespaces(meta, func(ns string) { r.pods.tellOf(ns) }, o.Log)
	r.pods = NewPods(core, namespaces, r.podsChanged, o.Log)

	o.Server.Register(PathValidate, newValidator(p).handler())
	o.Server.Register(PathWorkloads, (&adviser{entries: c.entries, namespaces: namespaces, own: o.OwnNamespace}).handler())
	c.manager.GetWebhookServer() // has the manager start it
	certificates, parts, err := newCertificateParts(config, &o.Certificates, o.Log)
	if err != nil {
		return err
	}
	c.certificates = &certificateMetrics{certificates, o.Server}
	parts = append(parts, c.entries, namespaces, leading{r.pods})
	if o.AuditInterval > 0 {
		c.auditor = NewAuditor(meta, core, c.entries, namespaces, recorder, o.OwnNamespace, o.AuditInterval, o.Log)
		parts = append(parts, leading{c.auditor})
	}
	if o.NodeProfiles != "" {
		parts = append(parts, leading{&Profiles{client: core, namespace: o.OwnNamespace, name: o.NodeProfiles, entries: c.entries, pods: r.pods, log: o.Log}})
	}
	for _, part := range parts {
		if err := c.manager.Add(part); err != nil {
			return err
		}
	}
	return c.watch(r)
}

// watch has the reconciler called on the replica that leads.
func (c *Controller) watch(r *reconciler) error {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](100*time.Millisecond, 10*time.Second)
	ctrl, err := controller.New("entries", c.manager, controller.Options{Reconciler: r, RateLimiter: limiter})
	if err != nil {
		return err
	}
	return ctrl.Watch(source.Func(r.start))
}

// leading is a part that only the replica that leads needs.
type leading struct{ manager.Runnable }

func (leading) NeedLeaderElection() bool { return true }

// Start runs until the context ends and the webhook server has drained, or the lease is lost, which is an error: another
// replica writes by then.
func (c *Controller) Start(ctx context.Context) error { return c.manager.Start(ctx) }

// Metrics serves controller-runtime's metrics, those of the entries, and of certificates.
func (c *Controller) Metrics() http.Handler {
	own := prometheus.NewRegistry()
	own.MustRegister(&collector{entries: c.entries, auditor: c.auditor, certificates: c.certificates})
	return promhttp.HandlerFor(prometheus.Gatherers{ctrlmetrics.Registry, own}, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 14 * time.Second})
}

// Check is readiness of the catalog: each entry has been seen once. It holds on where the API server goes away later.
func (c *Controller) Check() webhook.Check {
	return webhook.Check{Name: "entries", Run: func() (string, error) {
		if !c.entries.cluster.isSynced() || !c.entries.spaces.isSynced() {
			return "", errors.New("not read from the API server yet")
		}
		return fmt.Sprintf("%d known", len(c.entries.keys())), nil
	}}
}
