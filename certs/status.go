package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// FromDir reads a certificate directory and checks that the chain parses, the key is the leaf's, and ca.crt, where there
// is one, holds certificates. Whether clients will trust the chain is for Status to say.
func FromDir(dir string) (*Files, error) {
	f := new(Files)
	for _, file := range []struct {
		name string
		into *[]byte
	}{{CertFile, &f.Cert}, {KeyFile, &f.Key}, {CAFile, &f.CA}} {
		content, err := os.ReadFile(filepath.Join(dir, file.name))
		if errors.Is(err, fs.ErrNotExist) && file.name == CAFile {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("certificate directory: %w", err)
		}
		*file.into = content
	}
	if _, err := tls.X509KeyPair(f.Cert, f.Key); err != nil {
		return nil, fmt.Errorf("certificate directory %q: %w", dir, err)
	}
	if len(f.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(f.CA) {
		return nil, fmt.Errorf("certificate directory %q: %s holds no certificate", dir, CAFile)
	}
	return f, nil
}

// Status describes a serving chain.
type Status struct {
	// NotBefore and NotAfter bound the time in which every certificate of the chain is valid.
	NotBefore, NotAfter time.Time
	// Names are the leaf's DNS names, then its IP addresses, as clients may call it.
	Names []string
	// Issuer is the common name, or else the whole name, of the leaf's issuer.
	Issuer string

	leaf *x509.Certificate
	rest *x509.CertPool
}

// StatusOf describes a serving chain as it is handed to clients, leaf first.
func StatusOf(cert *tls.Certificate) (*Status, error) {
	if cert == nil || len(cert.Certificate) == 0 {
		return nil, errors.New("serving certificate: there is none")
	}
	s := &Status{rest: x509.NewCertPool()}
	for i, der := range cert.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("serving certificate: number %d of the chain: %w", i+1, err)
		}
		s.add(c)
	}
	return s, nil
}

// Status describes the chain that the files hold.
func (f *Files) Status() (*Status, error) {
	cert, err := tls.X509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("serving certificate: %w", err)
	}
	return StatusOf(&cert)
}

func (s *Status) add(c *x509.Certificate) {
	if s.leaf == nil {
		s.leaf, s.NotBefore, s.NotAfter = c, c.NotBefore, c.NotAfter
		s.Names = append(s.Names, c.DNSNames...)
		for _, ip := range c.IPAddresses {
			s.Names = append(s.Names, ip.String())
		}
		s.Issuer = c.Issuer.CommonName
		if s.Issuer == "" {
			s.Issuer = c.Issuer.String()
		}
		return
	}
	s.rest.AddCert(c)
	if c.NotBefore.After(s.NotBefore) {
		s.NotBefore = c.NotBefore
	}
	if c.NotAfter.Before(s.NotAfter) {
		s.NotAfter = c.NotAfter
	}
}

// lastHour bounds the time before its end in which a chain counts as unusable; see Margin.
const lastHour = time.Hour

// Margin is the time before NotAfter in which the chain is no longer fit to serve: an hour, or a tenth of the chain's
// whole time where that is less. A replica that missed a renewal leaves the Service in time.
func (s *Status) Margin() time.Duration {
	return min(lastHour, s.NotAfter.Sub(s.NotBefore)/10)
}

// Usable gives nil where the chain is fit to serve at the given time, or else one sentence that says why not.
func (s *Status) Usable(now time.Time) error {
	switch left := s.NotAfter.Sub(now); {
	case now.Before(s.NotBefore):
		return fmt.Errorf("serving certificate is not valid before %s", stamp(s.NotBefore))
	case left <= 0:
		return fmt.Errorf("serving certificate expired at %s", stamp(s.NotAfter))
	case left <= s.Margin():
		return fmt.Errorf("serving certificate expires in %s, at %s", left.Round(time.Second), stamp(s.NotAfter))
	}
	return nil
}

// Trusted gives nil where a client that trusts the CA certificates (PEM) and calls the server by the given name accepts
// the chain at the given time.
func (s *Status) Trusted(ca []byte, name string, now time.Time) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return errors.New("the CA bundle holds no certificate")
	}
	_, err := s.leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: s.rest, CurrentTime: now})
	if err != nil {
		return fmt.Errorf("serving certificate by %q: %w", s.Issuer, err)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
