package controller

import (
	"log/slog"
	"maps"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/dynamic"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/webhook"
)

// CertificateModes say what a Controller has to do with serving certificates. The zero value is nothing: they are provided.
type CertificateModes struct {
	// SelfManaged has it make them; nil has not.
	SelfManaged *CertificateOptions
	// Own is the Secret that is written into Dir, where this program serves from; empty has the directory come from elsewhere.
	Own, Dir string
	// Issued are Certificates of cert-manager to tell of.
	Issued []string
	// Namespace is that of all these.
	Namespace string
}

// certificateParts are what makes and watches certificates; each may be nil.
type certificateParts struct {
	self   *Certificates
	issued *issuedCertificates
}

// newCertificateParts gives what the modes need, and what of it the manager has to start.
func newCertificateParts(config *rest.Config, m *CertificateModes, log *slog.Logger) (p certificateParts, start []manager.Runnable, err error) {
	if m.SelfManaged == nil && m.Own == "" && len(m.Issued) == 0 {
		return p, nil, nil
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return p, nil, err
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return p, nil, err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return p, nil, err
	}
	if m.SelfManaged != nil {
		if p.self, err = NewCertificates(config, *m.SelfManaged, log); err != nil {
			return p, nil, err
		}
		start = append(start, p.self)
	}
	if m.Own != "" {
		start = append(start, &ownCertificate{secrets: core.Secrets(m.Namespace), meta: meta, namespace: m.Namespace, secret: m.Own, dir: m.Dir, log: log})
	}
	if len(m.Issued) > 0 {
		p.issued = &issuedCertificates{objects: objects, meta: meta, namespace: m.Namespace, names: m.Issued, log: log, reports: map[string]certs.Report{}}
		start = append(start, leading{p.issued})
	}
	return p, start, nil
}

// certificateMetrics tell of certificates.
type certificateMetrics struct {
	certificateParts
	server *webhook.Server
}

func (c *certificateMetrics) describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{notAfterDesc, caDesc, readyDesc, renewalsDesc} {
		to <- d
	}
}

func (c *certificateMetrics) collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if at := c.server.NotAfter(); !at.IsZero() {
		gauge(notAfterDesc, float64(at.Unix()))
	}
	ready := map[string]bool{}
	if c.issued != nil {
		ready = c.issued.ready()
	}
	if c.self != nil {
		c.self.mu.Lock()
		defer c.self.mu.Unlock()
		if !c.self.caNotAfter.IsZero() {
			gauge(caDesc, float64(c.self.caNotAfter.Unix()))
		}
		maps.Copy(ready, c.self.ready)
		for _, what := range []string{renewedLeaf, renewedCA, renewedBundle} {
			to <- prometheus.MustNewConstMetric(renewalsDesc, prometheus.CounterValue, float64(c.self.renewals[what]), what)
		}
	}
	for name, ok := range ready {
		value := 0.0
		if ok {
			value = 1
		}
		gauge(readyDesc, value, name)
	}
}
