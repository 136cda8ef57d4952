package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Files are the contents of a certificate directory, as PEM.
type Files struct {
	// Cert is the serving chain, leaf first; Key its private key; CA what clients trust.
	Cert, Key, CA []byte
}

// SelfSigned makes a certificate authority and a serving certificate that it signs, both with ECDSA P-256 keys and valid
// from now for the given time. The authority's key is thrown away, so nothing else is ever signed by
// it. At least one DNS name or IP address is needed.
func SelfSigned(dnsNames []string, ips []net.IP, validity time.Duration) (*Files, error) {
	if len(dnsNames)+len(ips) == 0 {
		return nil, errors.New("self-signed certificate: no DNS name and no IP address to make it for")
	}
	if validity <= 0 {
		return nil, fmt.Errorf("self-signed certificate: validity %s is not positive", validity)
	}
	now := time.Now()
	ca, leaf := caTemplate("pillion self-signed CA"), leafTemplate(dnsNames, ips)
	for _, c := range []*x509.Certificate{ca, leaf} {
		c.NotBefore, c.NotAfter = now.Add(-skew(validity)), now.Add(validity)
	}
	caKey, err := newKey()
	if err != nil {
		return nil, err
	}
	if ca, err = sign(ca, ca, caKey.Public(), caKey); err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	if leaf, err = sign(leaf, ca, key.Public(), caKey); err != nil {
		return nil, err
	}
	encoded, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	return &Files{Cert: certPEM(leaf), Key: encoded, CA: certPEM(ca)}, nil
}

// WriteTo writes the files into dir, which is made where it is missing. Each file is replaced in one step; the key comes
// first, readable by its owner only, so that a watcher which sees the new certificate finds the new key.
func (f *Files) WriteTo(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("certificate directory: %w", err)
	}
	for _, file := range []struct {
		name    string
		content []byte
		mode    os.FileMode
	}{{KeyFile, f.Key, 0o600}, {CertFile, f.Cert, 0o644}, {CAFile, f.CA, 0o644}} {
		if err := replaceFile(filepath.Join(dir, file.name), file.content, file.mode); err != nil {
			return fmt.Errorf("certificate directory: %w", err)
		}
	}
	return nil
}

func replaceFile(path string, content []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
