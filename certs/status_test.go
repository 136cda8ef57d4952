package certs

import (
	"crypto/tls"
	"encoding/pem"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUsableSaysWhyAChainIsNotFitToServe(t *testing.T) {
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s := Status{NotBefore: begin, NotAfter: begin.Add(90 * 24 * time.Hour)}
	short := Status{NotBefore: begin, NotAfter: begin.Add(30 * time.Minute)}
	for _, c := range []struct {
		name   string
		status Status
		at     time.Duration
		want   string
	}{
		{"too early", s, -time.Second, "serving certificate is not valid before 2026-03-01T00:00:00Z"},
		{"at its begin", s, 0, ""},
		{"more than an hour left", s, 90*24*time.Hour - time.Hour - time.Second, ""},
		{"an hour left", s, 90*24*time.Hour - time.Hour, "serving certificate expires in 1h0m0s, at 2026-05-30T00:00:00Z"},
		{"at its end", s, 90 * 24 * time.Hour, "serving certificate expired at 2026-05-30T00:00:00Z"},
		{"short-lived, half its time left", short, 15 * time.Minute, ""},
		{"short-lived, a tenth left", short, 27 * time.Minute, "serving certificate expires in 3m0s, at 2026-03-01T00:30:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := c.status.Usable(begin.Add(c.at)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStatusOfAChainIsBoundedByItsShortestCertificate(t *testing.T) {
	short, long := selfSigned(t, time.Hour), selfSigned(t, 48*time.Hour)
	leaf, err := tls.X509KeyPair(long.Cert, long.Key)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(short.CA)
	leaf.Certificate = append(leaf.Certificate, block.Bytes)
	got, err := StatusOf(&leaf)
	if err != nil {
		t.Fatal(err)
	}
	shortest, err := short.Status()
	if err != nil {
		t.Fatal(err)
	}
	type fields struct {
		NotAfter time.Time
		Issuer   string
	}
	if diff := cmp.Diff(fields{shortest.NotAfter, "pillion self-signed CA"}, fields{got.NotAfter, got.Issuer}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStatusOfNothingIsAnError(t *testing.T) {
	for name, cert := range map[string]*tls.Certificate{"nil": nil, "empty": {}, "garbage": {Certificate: [][]byte{{1, 2}}}} {
		if _, err := StatusOf(cert); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
