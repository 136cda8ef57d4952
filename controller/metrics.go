package controller

import (
	"crypto/tls"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/certs"
)

// What is measured beside controller-runtime's own metrics of webhook, work queue, client and election. No label holds what
// an author of entries wrote.
var (
	entriesDesc = prometheus.NewDesc("pillion_entries", "Catalog entries on the API server, by kind and the reason of their condition Ready.",
		[]string{"kind", "reason"}, nil)
	uninjectedDesc = prometheus.NewDesc("pillion_uninjected_pods", "Pods that ask for sidecars and run without any, by why: missed (they would get them now), refused, ignored, excluded, or pending (not looked at yet). From the leading replica only.",
		[]string{"reason"}, nil)
	notAfterDesc = prometheus.NewDesc("pillion_certificate_not_after_seconds", "Unix time at which the serving chain expires.", nil, nil)
)

// collector gathers the metrics when they are asked for.
type collector struct {
	entries *Entries
	auditor *Auditor
	certDir string
}

// Describe names the metrics.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	to <- entriesDesc
	to <- uninjectedDesc
	to <- notAfterDesc
}

// Collect gives the metrics as they are.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	for of, n := range c.entries.reasons() {
		to <- prometheus.MustNewConstMetric(entriesDesc, prometheus.GaugeValue, float64(n), of.kind, of.reason)
	}
	c.uninjected(to)
	files, err := certs.FromDir(c.certDir)
	if err != nil {
		return // readiness tells
	}
	pair, err := tls.X509KeyPair(files.Cert, files.Key)
	if err != nil {
		return
	}
	if status, err := certs.StatusOf(&pair); err == nil {
		to <- prometheus.MustNewConstMetric(notAfterDesc, prometheus.GaugeValue, float64(status.NotAfter.Unix()))
	}
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
