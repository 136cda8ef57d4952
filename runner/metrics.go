//go:build linux

package runner

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics of the runs. Jobs are named as the configuration names them, at most 64.
type metrics struct {
	registry   *prometheus.Registry
	runs       *prometheus.CounterVec
	skipped    *prometheus.CounterVec
	running    *prometheus.GaugeVec
	exitCode   *prometheus.GaugeVec
	seconds    *prometheus.GaugeVec
	started    *prometheus.GaugeVec
	success    *prometheus.GaugeVec
	next       *prometheus.GaugeVec
	reloads    *prometheus.CounterVec
	configGood prometheus.Gauge
}

func newMetrics(version string) *metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "runner_" + name, Help: help}, []string{"job"})
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "runner_" + name, Help: help}, labels)
	}
	m := &metrics{
		registry:   prometheus.NewRegistry(),
		runs:       counter("runs_total", "Runs that ended, by result: succeeded, failed, timeout, stopped or not-started.", "job", "result"),
		skipped:    counter("skipped_total", "Runs that were not made because one was under way, or too many waited.", "job"),
		running:    gauge("running", "1 while the job runs, 0 otherwise."),
		exitCode:   gauge("last_exit_code", "Exit code of the last run: 128 and the signal's number where one ended it, 127 where it could not be started."),
		seconds:    gauge("last_duration_seconds", "How long the last run took."),
		started:    gauge("last_run_timestamp_seconds", "When the last run began, in seconds since 1970."),
		success:    gauge("last_success_timestamp_seconds", "When the last run that succeeded began, in seconds since 1970."),
		next:       gauge("next_run_timestamp_seconds", "When the job is due, in seconds since 1970."),
		reloads:    counter("config_reloads_total", "Times that changed configuration files were taken up (result ok) or refused (result error).", "result"),
		configGood: prometheus.NewGauge(prometheus.GaugeOpts{Name: "runner_config_good", Help: "1 if the configuration in use is that of the files, 0 if the files have mistakes."}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "runner_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": version}})
	info.Set(1)
	m.registry.MustRegister(m.runs, m.skipped, m.running, m.exitCode, m.seconds, m.started, m.success, m.next, m.reloads, m.configGood, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// schedule shows the jobs that there are, and no others.
func (m *metrics) schedule(jobs []*job) {
	m.next.Reset()
	for _, j := range jobs {
		for _, result := range results() {
			m.runs.WithLabelValues(j.Name, result)
		}
		m.skipped.WithLabelValues(j.Name)
		m.running.WithLabelValues(j.Name)
		if !j.next.IsZero() {
			m.next.WithLabelValues(j.Name).Set(float64(j.next.Unix()))
		}
	}
}

func (m *metrics) ended(run *Run) {
	at := float64(run.Started.UnixMilli()) / 1000
	m.runs.WithLabelValues(run.Job, run.Result).Inc()
	m.running.WithLabelValues(run.Job).Set(0)
	m.exitCode.WithLabelValues(run.Job).Set(float64(run.ExitCode))
	m.seconds.WithLabelValues(run.Job).Set(run.Seconds)
	m.started.WithLabelValues(run.Job).Set(at)
	if run.Result == succeeded {
		m.success.WithLabelValues(run.Job).Set(at)
	}
}

func (m *metrics) reload(ok bool) {
	m.configGood.Set(0)
	if !ok {
		m.reloads.WithLabelValues("error").Inc()
		return
	}
	m.reloads.WithLabelValues("ok").Inc()
	m.configGood.Set(1)
}
