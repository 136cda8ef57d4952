package adapter

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are the adapter's own that last as long as the process.
type metrics struct {
	registry   *prometheus.Registry
	failures   *prometheus.CounterVec
	reloads    *prometheus.CounterVec
	configGood prometheus.Gauge
}

// stateMetrics are those of one configuration, which end with it: sources and rules are named as it names them.
type stateMetrics struct {
	*metrics
	own       *prometheus.Registry
	up        *prometheus.GaugeVec
	seconds   *prometheus.GaugeVec
	bytes     *prometheus.GaugeVec
	series    *prometheus.GaugeVec
	conflicts *prometheus.GaugeVec
	rules     *prometheus.GaugeVec
	healthy   prometheus.Gauge
}

// forState makes those of another configuration.
func (m *metrics) forState() *stateMetrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "adapter_" + name, Help: help}, labels)
	}
	s := &stateMetrics{
		metrics: m, own: prometheus.NewRegistry(),
		up:        gauge("source_up", "1 if the source gave metrics in the last round, 0 if not.", "source"),
		seconds:   gauge("source_duration_seconds", "How long the source took to answer in the last round.", "source"),
		bytes:     gauge("source_bytes", "Length of the source's answer in the last round.", "source"),
		series:    gauge("source_series", "Series of the source that are served.", "source"),
		conflicts: gauge("source_conflicts", "Metrics about which the source contradicts an earlier one, or itself; see /-/status.", "source"),
		rules:     gauge("rule_state", "1 for the verdict that the rule has, 0 for the others.", "rule", "verdict"),
		healthy:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "adapter_healthy", Help: "1 if /healthz answers 200, 0 if it answers 503."}),
	}
	s.healthy.Set(1)
	s.own.MustRegister(s.up, s.seconds, s.bytes, s.series, s.conflicts, s.rules, s.healthy)
	return s
}

func newMetrics(version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "adapter_source_failures_total", Help: "Rounds in which the source did not give all that was asked of it, by reason.",
		}, []string{"source", "reason"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "adapter_config_reloads_total", Help: "Times that changed configuration files were taken up (result ok) or refused (result error).",
		}, []string{"result"}),
		configGood: prometheus.NewGauge(prometheus.GaugeOpts{Name: "adapter_config_good", Help: "1 if the configuration in use is that of the files, 0 if the files have mistakes."}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "adapter_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": version}})
	info.Set(1)
	m.registry.MustRegister(m.failures, m.reloads, m.configGood, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, result := range []string{"ok", "error"} {
		m.reloads.WithLabelValues(result)
	}
	return m
}

// round shows what became of every source.
func (m *stateMetrics) round(r *round, conflicts []conflict) {
	count := map[string]float64{}
	for _, c := range conflicts {
		count[c.source]++
	}
	for i := range r.results {
		s := &r.results[i]
		m.up.WithLabelValues(s.source).Set(truth(s.up()))
		m.seconds.WithLabelValues(s.source).Set(s.took.Seconds())
		m.bytes.WithLabelValues(s.source).Set(float64(s.bytes))
		m.series.WithLabelValues(s.source).Set(float64(s.series))
		m.conflicts.WithLabelValues(s.source).Set(count[s.source])
		if s.err != nil {
			m.failures.WithLabelValues(s.source, s.reason).Inc()
		}
	}
}

// judged shows how the rules stand.
func (m *stateMetrics) judged(states []RuleState, healthy bool) {
	for i := range states {
		for _, v := range []Verdict{Holds, Pending, Broken, Unknown, Missing} {
			m.rules.WithLabelValues(states[i].Name, string(v)).Set(truth(states[i].Verdict == v))
		}
	}
	m.healthy.Set(truth(healthy))
}

// families are the metrics as they are now.
func (m *stateMetrics) families() families {
	list, err := prometheus.Gatherers{m.registry, m.own}.Gather()
	if err != nil {
		// A collector that contradicts itself is a mistake of this program; the others are served.
		list = nil
	}
	all := families{}
	for _, mf := range list {
		all[mf.GetName()] = mf
	}
	return all
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (r *result) String() string {
	if r.err == nil {
		return fmt.Sprintf("%d series", r.series)
	}
	return cut(r.err.Error())
}
