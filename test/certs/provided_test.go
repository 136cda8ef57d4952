package certs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/certs"
)

// newAuthority makes a CA of one's own.
func newAuthority(t *testing.T) *certs.Authority {
	t.Helper()
	a, err := new(certs.Authority).Renew(30*24*time.Hour, time.Now().Add(-10*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *certs.Authority, validity time.Duration, at time.Time) *certs.Files {
	t.Helper()
	f, err := a.Issue([]string{"localhost"}, validity, at)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// put writes files one by one, as whoever copies them does.
func put(t *testing.T, dir string, f *certs.Files) {
	t.Helper()
	write(t, dir, certs.KeyFile, f.Key)
	write(t, dir, certs.CertFile, f.Cert)
	write(t, dir, certs.CAFile, f.CA)
}

func providedStage(t *testing.T, name string, a *certs.Authority) *stage {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "ca.crt", a.Bundle())
	return newStage(t, name, "certs.mode=provided", "certs.provided.webhookSecret=one", "certs.provided.controllerSecret=two",
		"file certs.provided.caBundle="+filepath.Join(dir, "ca.crt"))
}

// awaitText waits until readiness tells something.
func awaitText(t *testing.T, s *stage, wantReady bool, text string) {
	t.Helper()
	await(t, text, func() error {
		ready, said, err := readyz(s.webhook)
		if err == nil && (ready != wantReady || !strings.Contains(said, text)) {
			err = errors.New(said)
		}
		return err
	})
	alive(t, s.webhook)
}

// Files that are half written when the program starts are waited for; written so later, they leave what is served alone.
func TestProvidedFilesThatAreNoGoodAreSaidAndDoNoHarm(t *testing.T) {
	a := newAuthority(t)
	s := providedStage(t, "provided", a)
	good := issue(t, a, 24*time.Hour, time.Now())
	write(t, s.webhookDir, certs.CertFile, good.Cert[:100])
	s.startWebhook()
	s.register()
	awaitText(t, s, false, "[-]certificate failed: waiting for a certificate: certificate directory: open ")
	write(t, s.webhookDir, certs.KeyFile, good.Key)
	awaitText(t, s, false, "tls: failed to find any PEM data in certificate input")
	if err := s.review(); err == nil || !strings.Contains(err.Error(), "failed calling webhook") {
		t.Errorf("a review without a certificate: %v", err)
	}
	put(t, s.webhookDir, good)
	awaitText(t, s, true, "localhost, valid until ")
	await(t, "reviews are answered", s.review)

	work := start(t, map[string]int{"pods": 20, "handshakes": 20}, map[string]func() error{"pods": s.review, "handshakes": s.handshake(mutating)})
	other := issue(t, newAuthority(t), time.Hour, time.Now())
	for _, c := range []struct {
		name, says string
		spoil      func()
	}{
		{"half a certificate", "failed to find any PEM data in certificate", func() { write(t, s.webhookDir, certs.CertFile, good.Cert[:100]) }},
		{"an empty certificate", "failed to find any PEM data in certificate", func() { write(t, s.webhookDir, certs.CertFile, nil) }},
		{"half a key", "failed to find any PEM data in key", func() { write(t, s.webhookDir, certs.KeyFile, good.Key[:100]) }},
		{"the key of another", "private key does not match public key", func() { write(t, s.webhookDir, certs.KeyFile, other.Key) }},
		{"no key", "no such file", func() { _ = os.Remove(filepath.Join(s.webhookDir, certs.KeyFile)) }},
		{"a CA file that is none", "ca.crt holds no certificate", func() { write(t, s.webhookDir, certs.CAFile, []byte("hello")) }},
		{"an expired certificate", "serving certificate expired at ", func() { put(t, s.webhookDir, issue(t, a, time.Hour, time.Now().Add(-2*time.Hour))) }},
		{"one that is not valid yet", "serving certificate is not valid before ", func() { put(t, s.webhookDir, issue(t, a, time.Hour, time.Now().Add(24*time.Hour))) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spoil()
			awaitText(t, s, true, "served is the certificate from before, as the files are no good now: ")
			awaitText(t, s, true, c.says)
			work.more(t, 5)
			put(t, s.webhookDir, issue(t, a, 24*time.Hour, time.Now()))
			await(t, "good files are served", func() error {
				_, said, err := readyz(s.webhook)
				if err == nil && strings.Contains(said, "from before") {
					err = errors.New(said)
				}
				return err
			})
		})
	}
	work.end(t, 20)
}

// An expired certificate takes the program out of service and says so, and is replaced in place; a caBundle of another CA is told
// of by whoever creates a Pod, and by the program.
func TestProvidedCertificateThatExpiredAndWrongCA(t *testing.T) {
	a := newAuthority(t)
	s := providedStage(t, "expired", a)
	put(t, s.webhookDir, issue(t, a, time.Hour, time.Now().Add(-2*time.Hour)))
	s.startWebhook()
	s.register()
	awaitText(t, s, false, "[-]certificate failed: serving certificate expired at ")
	if err := s.review(); err == nil || !strings.Contains(err.Error(), "certificate has expired or is not yet valid") {
		t.Errorf("a review with an expired certificate: %v", err)
	}
	put(t, s.webhookDir, issue(t, a, time.Hour, time.Now()))
	awaitText(t, s, true, "valid until")
	await(t, "reviews are answered", s.review)

	s.patchBundles(mutating, newAuthority(t).Bundle())
	await(t, "the API server takes the other CA up", func() error {
		if err := s.review(); err == nil || !strings.Contains(err.Error(), "x509: certificate signed by unknown authority") {
			return fmt.Errorf("another answer: %w", errors.Join(err))
		}
		return nil
	})
	alive(t, s.webhook)
	s.patchBundles(mutating, bytes.TrimSpace(a.Bundle()))
	await(t, "reviews are answered", s.review)
}
