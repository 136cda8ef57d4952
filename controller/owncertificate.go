package controller

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"

	"github.com/pillion-dev/pillion/certs"
)

// ownCertificate writes the Secret of this program's own serving certificate into the directory that it serves from, and each
// change within a moment. The Secret is not mounted, because the program writes it itself: in a new installation it would wait
// for its kubelet, a minute or more, to bring what it has just made. Every replica does this.
type ownCertificate struct {
	secrets   corev1client.SecretInterface
	meta      metadata.Interface
	namespace string
	secret    string
	dir       string
	log       *slog.Logger
}

// NeedLeaderElection is false: every replica serves.
func (o *ownCertificate) NeedLeaderElection() bool { return false }

// Start follows the Secret until the context ends.
func (o *ownCertificate) Start(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	go follow(ctx, o.meta, secretsResource, o.namespace, o.secret, func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}, o.log)
	for ctx.Err() == nil {
		next := certificateInterval
		if err := o.write(ctx); err != nil {
			next = certificateRetry
			o.log.Warn("own certificate", "secret", o.secret, "error", err)
		}
		timer := time.NewTimer(next)
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// write writes the files where they are good and others than those there.
func (o *ownCertificate) write(ctx context.Context) error {
	secret, err := o.secrets.Get(ctx, o.secret, metav1.GetOptions{})
	if err != nil {
		return err
	}
	files := filesOf(secret)
	if len(files.Cert) == 0 {
		return nil // not made yet; readiness tells
	}
	if _, err := files.Status(); err != nil {
		return err
	}
	if there, err := certs.FromDir(o.dir); err == nil && bytes.Equal(there.Cert, files.Cert) && bytes.Equal(there.Key, files.Key) && bytes.Equal(there.CA, files.CA) {
		return nil
	}
	return files.WriteTo(o.dir)
}
