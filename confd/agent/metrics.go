package agent

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what the program does. No label holds a name that a template or key has.
type Metrics struct {
	registry *prometheus.Registry

	up         prometheus.Gauge
	failures   prometheus.Counter
	keys       prometheus.Gauge
	resources  *prometheus.GaugeVec
	renders    *prometheus.CounterVec
	lastChange prometheus.Gauge
	folder     *prometheus.CounterVec
	reloads    *prometheus.CounterVec
	coalesced  prometheus.Counter
	pending    prometheus.Gauge
}

// NewMetrics makes the metrics and their registry, which holds those of the process too.
func NewMetrics() *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counterVec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		up:       gauge("confd_backend_up", "1 while the backend answers and keys are up to date, else 0."),
		failures: counter("confd_backend_failures_total", "Times the backend failed; each is followed by reading anew."),
		keys:     gauge("confd_keys", "Keys known."),
		resources: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "confd_resources",
			Help: "Template resources by state: good, its file is as the keys say; failing, the last good file is left; waiting, not rendered yet."},
			[]string{"state"}),
		renders: counterVec("confd_renders_total",
			"Renderings by result: written, unchanged, template_failed, invalid (output_format), check_failed or write_failed.", "result"),
		lastChange: gauge("confd_last_change_timestamp_seconds", "Unix time of the last file written."),
		folder:     counterVec("confd_template_loads_total", "Times the templates were read after they had changed, by result: success or failure, which keeps the old ones.", "result"),
		reloads: counterVec("confd_reloads_total",
			"Attempts to reload an app, by kind (signal, http, command) and result: done; unneeded, it started after the change; waiting, it does not run or listen yet; failed.", "kind", "result"),
		coalesced: counter("confd_reloads_coalesced_total", "Changes that were part of another's reload."),
		pending:   gauge("confd_reloads_pending", "Apps that have not read their latest files."),
	}
	m.registry.MustRegister(m.up, m.failures, m.keys, m.resources, m.renders, m.lastChange, m.folder, m.reloads, m.coalesced, m.pending,
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, result := range []string{"written", "unchanged", "template_failed", "invalid", "check_failed", "write_failed"} {
		m.renders.WithLabelValues(result)
	}
	return m
}

// Describe lists the metrics, for the reference.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) { m.registry.Describe(to) }

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2})
}
