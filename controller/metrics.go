package controller

import (
	"github.com/prometheus/client_golang/prometheus"
)

// What is measured beside controller-runtime's own metrics of webhook, work queue, client and election. No label holds what
// an author of entries wrote.
var (
	entriesDesc = prometheus.NewDesc("pillion_entries", "Catalog entries on the API server, by kind and the reason of their condition Ready.",
		[]string{"kind", "reason"}, nil)
	uninjectedDesc = prometheus.NewDesc("pillion_uninjected_pods", "Pods that ask for sidecars and run without any, by why: missed (they would get them now), refused, ignored, excluded, or pending (not looked at yet). From the leading replica only.",
		[]string{"reason"}, nil)
	notAfterDesc = prometheus.NewDesc("pillion_certificate_not_after_seconds", "Unix time at which the serving chain expires.", nil, nil)
	caDesc       = prometheus.NewDesc("pillion_certificate_ca_not_after_seconds", "Unix time at which the CA of self-managed certificates expires. From the leading replica only.", nil, nil)
	readyDesc    = prometheus.NewDesc("pillion_certificate_ready", "1 where the serving certificate is in order, else 0, by its Secret (self-managed) or Certificate (cert-manager). From the leading replica only.",
		[]string{"certificate"}, nil)
	renewalsDesc = prometheus.NewDesc("pillion_certificate_renewals_total", "Writes of self-managed certificates, by what: leaf, ca, or bundle.", []string{"what"}, nil)
)

// collector gathers the metrics when they are asked for.
type collector struct {
	entries      *Entries
	auditor      *Auditor
	certificates *certificateMetrics
}

// Describe names the metrics.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	to <- entriesDesc
	to <- uninjectedDesc
	c.certificates.describe(to)
}

// Collect gives the metrics as they are.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	for of, n := range c.entries.reasons() {
		to <- prometheus.MustNewConstMetric(entriesDesc, prometheus.GaugeValue, float64(n), of.kind, of.reason)
	}
	c.uninjected(to)
	c.certificates.collect(to)
}

func (c *collector) uninjected(to chan<- prometheus.Metric) {
	if c.auditor == nil {
		return
	}
	counts := c.auditor.found()
	if counts == nil {
		return
	}
	for _, why := range Lacks() {
		to <- prometheus.MustNewConstMetric(uninjectedDesc, prometheus.GaugeValue, float64(counts[why]), string(why))
	}
}
