package webhook

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/certs"
)

// A server on a directory without a certificate is not ready and says why; it serves once there is one, and keeps that where an
// expired one takes its place.
func TestServerWaitsForItsCertificateAndPrefersOneThatIsFitToServe(t *testing.T) {
	dir := t.TempDir()
	m := NewMetrics()
	s, err := NewServer(ServerOptions{Address: "127.0.0.1:0", CertDir: dir, Drain: shortDrain(), Log: slog.New(slog.DiscardHandler), Metrics: m})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	await := func(ready bool, text string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			note, err := s.Check().Run()
			if err != nil {
				note += err.Error()
			}
			if (err == nil) == ready && strings.Contains(note, text) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("ready is %v: %s", err == nil, note)
			}
		}
	}
	await(false, "waiting for a certificate: certificate directory: open ")
	if !s.NotAfter().IsZero() {
		t.Errorf("no certificate, and it ends at %s", s.NotAfter())
	}
	renew(t, dir)
	await(true, "localhost 127.0.0.1, valid until ")
	good := s.NotAfter()

	a, err := new(certs.Authority).Renew(100*time.Hour, time.Now().Add(-50*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	expired, err := a.Issue([]string{"localhost"}, time.Hour, time.Now().Add(-2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := expired.WriteTo(dir); err != nil {
		t.Fatal(err)
	}
	await(true, "\nserved is the certificate from before, as the files are no good now: serving certificate expired at ")
	if !s.NotAfter().Equal(good) || value(t, m.notAfter) != float64(good.Unix()) {
		t.Errorf("ends at %s, want %s; the metric says %f", s.NotAfter(), good, value(t, m.notAfter))
	}
}
