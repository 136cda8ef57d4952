package webhook

import (
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pillion-dev/pillion/sidecars"
)

// namespacedSidecar stands in the label sidecar for every Sidecar: tenants choose their names.
const namespacedSidecar = "namespaced"

// unknownSidecar stands in the label sidecar for every name that the catalog does not have: no label holds what a Pod's
// author wrote.
const unknownSidecar = "unknown"

// metricsTimeout bounds the gathering of metrics: less than the operations port takes to answer.
const metricsTimeout = 14 * time.Second

// Metrics counts what the webhook does, in a registry of its own.
type Metrics struct {
	registry *prometheus.Registry

	requests       *prometheus.CounterVec
	duration       prometheus.Histogram
	inFlight       prometheus.Gauge
	panics         prometheus.Counter
	draining       prometheus.Gauge
	notAfter       prometheus.Gauge
	catalogReloads *prometheus.CounterVec
	catalogLast    prometheus.Gauge
	catalogInfo    *prometheus.GaugeVec
	catalogEntries *prometheus.GaugeVec
	catalogErrors  prometheus.Gauge
}

// NewMetrics makes the metrics and their registry, which holds those of the Go runtime and the process too.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pillion_admission_requests_total",
			Help: "Admission requests answered; one that concerns several sidecars counts once for each of them.",
		}, []string{"outcome", "reason", "sidecar"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "pillion_admission_duration_seconds",
			Help:    "Time from an admission request's header to its answer.",
			Buckets: []float64{0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2},
		}),
		inFlight: gauge("pillion_admission_requests_in_flight", "Admission requests in hand."),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pillion_panics_total", Help: "Panics that were turned into an answer.",
		}),
		draining: gauge("pillion_draining", "1 from the order to stop on, else 0."),
		notAfter: gauge("pillion_certificate_not_after_seconds", "Unix time at which the serving chain expires."),
		catalogReloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pillion_catalog_reloads_total", Help: "Times the catalog was read, by result: success or failure. From the API server a catalog is always made; see pillion_catalog_entry_errors.",
		}, []string{"result"}),
		catalogLast: gauge("pillion_catalog_last_reload_success", "1 where the newest catalog is in force, 0 where an older one is because of a mistake in the newest."),
		catalogInfo: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pillion_catalog_info", Help: "The catalog in force, by its revision.",
		}, []string{"revision"}),
		catalogEntries: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pillion_catalog_entries", Help: "Entries of the catalog in force, by layer: embedded, directory, cluster or namespace.",
		}, []string{"layer"}),
		catalogErrors: gauge("pillion_catalog_entry_errors", "Entries of the API server whose newest spec is not in force because of a mistake in it."),
	}
	m.registry.MustRegister(m.requests, m.duration, m.inFlight, m.panics, m.draining, m.notAfter,
		m.catalogReloads, m.catalogLast, m.catalogInfo, m.catalogEntries, m.catalogErrors,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, result := range []string{reloadSuccess, reloadFailure} {
		m.catalogReloads.WithLabelValues(result)
	}
	return m
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

// Handler serves the metrics in the formats Prometheus asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: metricsTimeout})
}

// Values of the label result.
const (
	reloadSuccess = "success"
	reloadFailure = "failure"
)

// observe counts one decision.
func (m *Metrics) observe(d *decision, took time.Duration) {
	m.duration.Observe(took.Seconds())
	outcome, reason := string(d.outcome), string(d.reason)
	if d.entries == nil || len(d.sidecars) == 0 {
		m.requests.WithLabelValues(outcome, reason, "").Inc()
		return
	}
	labels := make([]string, 0, len(d.sidecars))
	for _, name := range d.sidecars {
		switch e := d.entries.Entry(d.namespace, name); {
		case e == nil:
			name = unknownSidecar
		case e.Namespace != "":
			name = namespacedSidecar
		}
		if !slices.Contains(labels, name) {
			labels = append(labels, name)
			m.requests.WithLabelValues(outcome, reason, name).Inc()
		}
	}
}

// catalogLoaded tells of one reading of the catalog; c is the one in force after it.
func (m *Metrics) catalogLoaded(c *sidecars.Catalog, err error) {
	result, success := reloadSuccess, 1.0
	if err != nil {
		result, success = reloadFailure, 0
	}
	m.catalogReloads.WithLabelValues(result).Inc()
	m.catalogLast.Set(success)
	m.inForce(c)
}

// clusterCatalog tells of a catalog of the API server; failures is how many entries have a mistake in their newest spec. Those
// count for themselves: each is left out alone, and the rest is the newest there is.
func (m *Metrics) clusterCatalog(c *sidecars.Catalog, failures int) {
	m.catalogErrors.Set(float64(failures))
	m.catalogLoaded(c, nil)
}

func (m *Metrics) inForce(c *sidecars.Catalog) {
	counts := map[sidecars.Layer]int{}
	for _, e := range c.All() {
		counts[e.Layer]++
	}
	for _, layer := range []sidecars.Layer{sidecars.LayerEmbedded, sidecars.LayerDirectory, sidecars.LayerCluster, sidecars.LayerNamespace} {
		if counts[layer] == 0 {
			m.catalogEntries.DeleteLabelValues(string(layer))
			continue
		}
		m.catalogEntries.WithLabelValues(string(layer)).Set(float64(counts[layer]))
	}
	m.catalogInfo.Reset()
	m.catalogInfo.WithLabelValues(c.Revision()).Set(1)
}
