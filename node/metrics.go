package node

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the helper's own.
type Metrics struct {
	registry  *prometheus.Registry
	events    *prometheus.HistogramVec
	connected prometheus.Gauge
	sessions  prometheus.Counter
	managed   prometheus.Gauge
	redirects prometheus.Counter
	info      *prometheus.GaugeVec
	can       *prometheus.GaugeVec
	mode      *prometheus.GaugeVec
	profiles  *prometheus.GaugeVec
	asOf      prometheus.Gauge
}

// NewMetrics makes the metrics.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		events: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "pillion_node_event_seconds",
			Help:    "Time for an answer to the runtime, by event and result: done, refused, late (the Pod only wanted to be counted, and went on) or none (the Pod asks nothing).",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2}}, []string{"event", "result"}),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{Name: "pillion_node_connected", Help: "1 while the runtime calls the helper, else 0."}),
		sessions:  prometheus.NewCounter(prometheus.CounterOpts{Name: "pillion_node_sessions_total", Help: "Times the helper has registered with the runtime."}),
		managed:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "pillion_node_pods", Help: "Pods of the node that ask the helper for something."}),
		redirects: prometheus.NewCounter(prometheus.CounterOpts{Name: "pillion_node_redirects_total", Help: "Times the rules of a Pod were written, because they were new or not as they should be."}),
		info: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "pillion_node_runtime_info", Help: "1, labelled with the runtime, its version, and whether it can put a container into another's PID namespace."},
			[]string{"runtime", "version", "joins"}),
		can: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "pillion_node_capable", Help: "1 where the helper found at its start that it can do this on the node, else 0: namespaces, redirect or cgroups."},
			[]string{"capability"}),
		mode: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "pillion_node_mode", Help: "1, labelled with what the runtime lets the helper do: full; old (all but joins); or none (it does not call the helper)."},
			[]string{"mode"}),
		profiles: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "pillion_node_profiles", Help: "Profiles of entries' revisions on the node, by state: known, or broken (a file that is no profile)."},
			[]string{"state"}),
		asOf: prometheus.NewGauge(prometheus.GaugeOpts{Name: "pillion_node_profiles_written_timestamp_seconds", Help: "Unix time at which the kubelet last wrote the profiles that the helper has; 0 where it has not."}),
	}
	m.registry.MustRegister(m.events, m.can, m.mode, m.profiles, m.asOf, m.connected, m.sessions, m.managed, m.redirects, m.info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves them.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

func (m *Metrics) event(event, result string, took time.Duration) {
	m.events.WithLabelValues(event, result).Observe(took.Seconds())
}

func (m *Metrics) runtime(f *Features) {
	m.info.Reset()
	joins := "false"
	if f.Joins {
		joins = "true"
	}
	m.info.WithLabelValues(f.Runtime, f.Version, joins).Set(1)
}

// Capable takes up what was probed.
func (m *Metrics) Capable(list Capabilities) {
	for _, c := range list {
		value := 0.0
		if c.OK {
			value = 1
		}
		m.can.WithLabelValues(c.Name).Set(value)
	}
}

// inMode takes up what the runtime lets the helper do.
func (m *Metrics) inMode(is Mode) {
	for _, mode := range []Mode{ModeFull, ModeOld, ModeNone} {
		value := 0.0
		if mode == is {
			value = 1
		}
		m.mode.WithLabelValues(string(mode)).Set(value)
	}
}

func (m *Metrics) knows(known, broken int, asOf time.Time) {
	m.profiles.WithLabelValues("known").Set(float64(known))
	m.profiles.WithLabelValues("broken").Set(float64(broken))
	if !asOf.IsZero() {
		m.asOf.Set(float64(asOf.UnixMilli()) / 1000)
	}
}

func (m *Metrics) pods(n int) { m.managed.Set(float64(n)) }

func (m *Metrics) redirected() { m.redirects.Inc() }

func (m *Metrics) session(up bool) {
	if up {
		m.sessions.Inc()
		m.connected.Set(1)
		return
	}
	m.connected.Set(0)
}
