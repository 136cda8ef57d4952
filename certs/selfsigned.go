package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// skew is how far back a new certificate's validity begins, so that a peer whose clock is late accepts it.
const skew = 5 * time.Minute

// Files are the contents of a certificate directory, as PEM.
type Files struct {
	// Cert is the serving chain, leaf first; Key its private key; CA what clients trust.
	Cert, Key, CA []byte
}

// SelfSigned makes a certificate authority and a serving certificate that it signs, both with ECDSA P-256 keys and valid
// from now (less five minutes) for the given time. The authority's key is thrown away, so nothing else is ever signed by
// it. At least one DNS name or IP address is needed.
func SelfSigned(dnsNames []string, ips []net.IP, validity time.Duration) (*Files, error) {
	if len(dnsNames)+len(ips) == 0 {
		return nil, errors.New("self-signed certificate: no DNS name and no IP address to make it for")
	}
	if validity <= 0 {
		return nil, fmt.Errorf("self-signed certificate: validity %s is not positive", validity)
	}
	now := time.Now()
	ca := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "pillion self-signed CA"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "pillion webhook"},
		DNSNames:    dnsNames,
		IPAddresses: ips,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, c := range []*x509.Certificate{ca, leaf} {
		c.NotBefore, c.NotAfter = now.Add(-skew), now.Add(validity)
	}
	caKey, caPEM, err := issue(ca, ca, nil)
	if err != nil {
		return nil, err
	}
	leafKey, leafPEM, err := issue(leaf, ca, caKey)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return nil, fmt.Errorf("self-signed certificate: encode key: %w", err)
	}
	return &Files{Cert: leafPEM, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), CA: caPEM}, nil
}

// issue makes a key and a certificate for it. Without a signer the certificate signs itself.
func issue(template, parent *x509.Certificate, signer crypto.Signer) (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("self-signed certificate: make key: %w", err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, fmt.Errorf("self-signed certificate: sign %q: %w", template.Subject.CommonName, err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
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
