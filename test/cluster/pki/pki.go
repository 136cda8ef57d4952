// Package pki makes the keys and certificates of a test cluster, and the files and clients that use them. All keys are
// ECDSA P-256; nothing made here leaves the machine.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"time"
)

// lifetime is longer than any demo stays up.
const lifetime = 365 * 24 * time.Hour

// Pair is a certificate with its key, both as PEM.
type Pair struct{ Cert, Key []byte }

// Authority signs the certificates of one cluster.
type Authority struct {
	Pair
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes a self-signed authority.
func NewAuthority(name string) (*Authority, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Authority{Pair: Pair{Cert: certPEM(der), Key: keyPEM}, cert: cert, key: key}, nil
}

// Issue signs a certificate for a key of its own.
func (a *Authority) Issue(template x509.Certificate) (Pair, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := sign(&template, a.cert, key, a.key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Cert: certPEM(der), Key: keyPEM}, nil
}

// Client is the template of a client certificate: the API server reads user and groups from the subject.
func Client(user string, groups ...string) x509.Certificate {
	return x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// Server is the template of a server's certificate. A name that is an IP address is taken as one.
func Server(name string, reachedAs ...string) x509.Certificate {
	template := x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, s := range reachedAs {
		if ip := net.ParseIP(s); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, s)
	}
	return template
}

// NewKey makes a private key, as PEM.
func NewKey() ([]byte, error) {
	_, keyPEM, err := newKey()
	return keyPEM, err
}

// sign fills in serial number and validity; a minute in the past allows for a clock that is set back during a start.
func sign(template, parent *x509.Certificate, subject, signer *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = now.Add(-time.Minute), now.Add(lifetime)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, subject.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("certificate %q: %w", template.Subject.CommonName, err)
	}
	return der, nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Kubeconfig has the certificates inline, so that a copy of the file works too.
func Kubeconfig(url string, ca []byte, user Pair) []byte {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: pillion
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: pillion
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: pillion
  context: {cluster: pillion, user: pillion}
current-context: pillion
`, url, encode(ca), encode(user.Cert), encode(user.Key))
}

// HTTPClient trusts the servers that ca signed and is user to them. It has no timeout: bound requests by their context.
func HTTPClient(ca []byte, user Pair) (*http.Client, error) {
	pair, err := tls.X509KeyPair(user.Cert, user.Key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13},
		ForceAttemptHTTP2: true,
	}}, nil
}
