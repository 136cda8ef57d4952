package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	"github.com/pillion-dev/pillion/certs"
)

// certificateRetry is the time between two looks for a certificate where there is none.
const certificateRetry = 500 * time.Millisecond

// servedCertificate is the certificate of a directory, read by controller-runtime's watcher, which takes up new files and keeps
// the certificate it has while they cannot be read. A certificate that can be read but is not fit to serve, such as an expired
// one, does not replace one that is. Until the directory holds a certificate at all, which in a new installation is some time
// after the program starts, handshakes fail and readiness says why.
type servedCertificate struct {
	dir     string
	log     *slog.Logger
	metrics *Metrics
	watcher atomic.Pointer[certwatcher.CertWatcher]

	mu sync.Mutex
	// newest is what the files hold, before is what was served until they held that.
	newest, before *chain
}

// chain is a certificate and what is known of it.
type chain struct {
	cert   *tls.Certificate
	status *certs.Status
}

// newServedCertificate needs the directory, and reads the certificate where it is there.
func newServedCertificate(dir string, log *slog.Logger, m *Metrics) (*servedCertificate, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return nil, fmt.Errorf("certificate directory %q: %w", dir, err)
	}
	c := &servedCertificate{dir: dir, log: log, metrics: m}
	if err := c.open(); err != nil {
		log.Warn("waiting for a certificate", "why", err.Error())
	}
	return c, nil
}

// open starts serving what is in the directory.
func (c *servedCertificate) open() error {
	if _, err := certs.FromDir(c.dir); err != nil {
		return err
	}
	watcher, err := certwatcher.New(filepath.Join(c.dir, certs.CertFile), filepath.Join(c.dir, certs.KeyFile))
	if err != nil {
		return fmt.Errorf("certificate directory %q: %w", c.dir, err)
	}
	c.watcher.Store(watcher)
	// The watcher is locked while it calls.
	watcher.RegisterCallback(func(tls.Certificate) { go c.serving() })
	return nil
}

// serving gives what is served now; nil where there is nothing.
func (c *servedCertificate) serving() *chain {
	watcher := c.watcher.Load()
	if watcher == nil {
		return nil
	}
	cert, err := watcher.GetCertificate(nil)
	if err != nil || cert == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newest == nil || c.newest.cert != cert {
		c.take(cert)
	}
	return c.better()
}

// take takes a certificate up.
func (c *servedCertificate) take(cert *tls.Certificate) {
	status, err := certs.StatusOf(cert)
	if err != nil {
		c.log.Error("certificate", "error", err) // the watcher has parsed it
		return
	}
	c.before, c.newest = c.better(), &chain{cert, status}
	served := c.better().status
	c.metrics.notAfter.Set(float64(served.NotAfter.Unix()))
	if served == status {
		c.log.Info("certificate", "names", status.Names, "issuer", status.Issuer, "notAfter", status.NotAfter)
		return
	}
	c.log.Error("certificate: the one from before is served on", "error", status.Usable(time.Now()))
}

// better gives the newest certificate, or the one before it where only that is fit to serve.
func (c *servedCertificate) better() *chain {
	if c.before == nil || c.newest.status.Usable(time.Now()) == nil || c.before.status.Usable(time.Now()) != nil {
		return c.newest
	}
	return c.before
}

// watch waits for a certificate and then for new ones, until the context ends.
func (c *servedCertificate) watch(ctx context.Context) error {
	for c.watcher.Load() == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(certificateRetry):
			_ = c.open() // readiness says why not
		}
	}
	return c.watcher.Load().Start(ctx)
}

// get gives the certificate to serve.
func (c *servedCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if served := c.serving(); served != nil {
		return served.cert, nil
	}
	return nil, errors.New("there is no certificate yet")
}

// lacking says why there is no certificate to serve, or nothing.
func (c *servedCertificate) lacking() error {
	if c.serving() != nil {
		return nil
	}
	if _, err := certs.FromDir(c.dir); err != nil {
		return fmt.Errorf("waiting for a certificate: %w", err)
	}
	return errors.New("waiting for a certificate: it is being read")
}

// note tells what is wrong with the files while a certificate that is fit to serve is served.
func (c *servedCertificate) note(served *certs.Status) (note string) {
	_, err := certs.FromDir(c.dir)
	c.mu.Lock()
	if newest := c.newest; err == nil && newest != nil && newest.status.NotAfter != served.NotAfter {
		err = newest.status.Usable(time.Now())
	}
	c.mu.Unlock()
	if err != nil {
		note = "\nserved is the certificate from before, as the files are no good now: " + err.Error()
	}
	ca, err := os.ReadFile(filepath.Join(c.dir, certs.CAFile))
	if err != nil || len(served.Names) == 0 {
		return note
	}
	if distrust := served.Trusted(ca, served.Names[0], time.Now()); distrust != nil {
		note += "\nnot trusted by " + certs.CAFile + ": " + distrust.Error()
	}
	return note
}

// NotAfter is when the served chain expires; zero where none is served.
func (s *Server) NotAfter() time.Time {
	if served := s.certificate.serving(); served != nil {
		return served.status.NotAfter
	}
	return time.Time{}
}
