package controller

import (
	"context"
	"log/slog"
	"sync"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"

	"github.com/pillion-dev/pillion/certs"
)

// issuedCertificates tells how cert-manager's Certificates stand, in the log where that changes and as a metric. It reads them
// by their names and writes nothing.
type issuedCertificates struct {
	objects   dynamic.Interface
	meta      metadata.Interface
	namespace string
	names     []string
	log       *slog.Logger

	mu      sync.Mutex
	reports map[string]certs.Report
}

// Start looks each minute, and where one changes, until the context ends.
func (i *issuedCertificates) Start(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	for _, name := range i.names {
		go follow(ctx, i.meta, certmanagerv1.SchemeGroupVersion.WithResource("certificates"), i.namespace, name, func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		}, i.log)
	}
	tick := time.NewTicker(certificateInterval)
	defer tick.Stop()
	for {
		for _, name := range i.names {
			i.look(ctx, name)
		}
		select {
		case <-wake:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look reads one Certificate. An API server that does not answer leaves things as they were known.
func (i *issuedCertificates) look(ctx context.Context, name string) {
	issuance := certs.Issuance{Namespace: i.namespace, Name: name}
	u, err := i.objects.Resource(certmanagerv1.SchemeGroupVersion.WithResource("certificates")).Namespace(i.namespace).Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		issuance.Certificate = new(certmanagerv1.Certificate)
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, issuance.Certificate)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		if ctx.Err() == nil {
			i.log.Warn("certificate", "certificate", name, "error", err)
		}
		return
	}
	report := certs.CertificateReport(issuance, time.Now())
	i.mu.Lock()
	before, known := i.reports[name]
	i.reports[name] = report
	i.mu.Unlock()
	switch {
	case known && report == before:
	case report.Ready && report.Hint == "":
		i.log.Info("cert-manager", "certificate", name, "status", report.Reason)
	default:
		i.log.Warn("cert-manager", "certificate", name, "status", report.Reason, "hint", report.Hint)
	}
}

// ready tells which Certificates are.
func (i *issuedCertificates) ready() map[string]bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := map[string]bool{}
	for name, report := range i.reports {
		out[name] = report.Ready
	}
	return out
}
