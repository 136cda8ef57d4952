package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime is longer than any demo stays up; the keys never leave the machine.
const lifetime = 365 * 24 * time.Hour

// keyPair is a certificate with its key, both as PEM.
type keyPair struct{ cert, key []byte }

// pki is every key of one control plane, made anew at each start. Private keys are ECDSA P-256.
type pki struct {
	ca             keyPair
	apiserver      keyPair
	admin          keyPair // in system:masters
	manager        keyPair // system:kube-controller-manager
	serviceAccount []byte  // private key, PEM
}

func newPKI() (*pki, error) {
	signer, ca, err := newAuthority("pillion-test-ca")
	if err != nil {
		return nil, err
	}
	keys := &pki{ca: ca}
	for _, leaf := range []struct {
		into     *keyPair
		template x509.Certificate
	}{
		{&keys.apiserver, x509.Certificate{
			Subject:     pkix.Name{CommonName: "kube-apiserver"},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(serviceIP)},
		}},
		{&keys.admin, client("admin", "system:masters")},
		{&keys.manager, client("system:kube-controller-manager")},
	} {
		if *leaf.into, err = signer.issue(&leaf.template); err != nil {
			return nil, err
		}
	}
	_, keys.serviceAccount, err = newKey()
	return keys, err
}

// client is the template of a client certificate: the API server reads user and groups from the subject.
func client(user string, groups ...string) x509.Certificate {
	return x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// authority signs the certificates of one control plane.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(name string) (*authority, keyPair, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, keyPair{}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := sign(template, template, key, key)
	if err != nil {
		return nil, keyPair{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, keyPair{}, err
	}
	return &authority{cert: cert, key: key}, keyPair{cert: certPEM(der), key: keyPEM}, nil
}

func (a *authority) issue(template *x509.Certificate) (keyPair, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return keyPair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := sign(template, a.cert, key, a.key)
	if err != nil {
		return keyPair{}, err
	}
	return keyPair{cert: certPEM(der), key: keyPEM}, nil
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

// write puts the files that the programs' flags name into dir.
func (k *pki) write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"ca.crt": k.ca.cert, "ca.key": k.ca.key,
		"apiserver.crt": k.apiserver.cert, "apiserver.key": k.apiserver.key,
		"service-account.key": k.serviceAccount,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
