package certs

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxReplaced bounds the CAs that are trusted besides the newest, for a clock that goes to and fro.
const maxReplaced = 8

// Authority is the CA of self-managed certificates as its Secret holds it: the newest CA, which signs, and those before it,
// which are still trusted and whose keys are gone. The zero value has neither.
type Authority struct {
	newest   *x509.Certificate
	key      crypto.Signer
	replaced []*x509.Certificate
}

// AuthorityFrom reads the data of a CA's Secret: tls.crt and tls.key are the newest CA, ca.crt all that are trusted. Where it
// cannot sign, the error says why; what is still to be trusted is in the Authority all the same.
func AuthorityFrom(data map[string][]byte) (*Authority, error) {
	a := &Authority{replaced: certificates(data[CAFile])}
	if len(data[CertFile]) == 0 && len(data[KeyFile]) == 0 {
		return a, errors.New("there is no CA yet")
	}
	pair, err := tls.X509KeyPair(data[CertFile], data[KeyFile])
	if err == nil && !pair.Leaf.IsCA {
		err = errors.New("tls.crt is not of a CA")
	}
	if err != nil {
		for _, c := range certificates(data[CertFile]) {
			a.replaced = without(a.replaced, c)
			a.replaced = append([]*x509.Certificate{c}, a.replaced...)
		}
		return a, fmt.Errorf("the CA cannot sign: %w", err)
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return a, fmt.Errorf("the CA cannot sign: its key is a %T", pair.PrivateKey)
	}
	a.newest, a.key, a.replaced = pair.Leaf, signer, without(a.replaced, pair.Leaf)
	return a, nil
}

// Renew gives an Authority with a new CA, valid from now for the given time, that trusts those before it.
func (a *Authority) Renew(validity time.Duration, now time.Time) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	id, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("CA: %w", err)
	}
	sum := sha256.Sum256(id)
	template := caTemplate("pillion CA " + hex.EncodeToString(sum[:4]))
	template.NotBefore, template.NotAfter = now.Add(-skew(validity)), now.Add(validity)
	made, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	next := &Authority{newest: made, key: key, replaced: slices.Clone(a.replaced)}
	if a.newest != nil {
		next.replaced = append([]*x509.Certificate{a.newest}, next.replaced...)
	}
	next.replaced = next.replaced[:min(len(next.replaced), maxReplaced)]
	return next, nil
}

// Trusting gives an Authority that trusts the CAs of a bundle (PEM) too, as if they were CAs before its own. What is no CA, or
// has expired, is left out.
func (a *Authority) Trusting(bundle []byte, now time.Time) *Authority {
	next := &Authority{newest: a.newest, key: a.key, replaced: slices.Clone(a.replaced)}
	for _, c := range certificates(bundle) {
		if c.IsCA && now.Before(c.NotAfter) && !slices.ContainsFunc(next.replaced, c.Equal) && (a.newest == nil || !a.newest.Equal(c)) {
			next.replaced = append(next.replaced, c)
		}
	}
	return next
}

// Data is what the CA's Secret is to hold.
func (a *Authority) Data() (map[string][]byte, error) {
	key, err := keyPEM(a.key)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{CertFile: certPEM(a.newest), KeyFile: key, CAFile: a.Bundle()}, nil
}

// Bundle is every CA that is trusted, the newest first, as PEM.
func (a *Authority) Bundle() []byte {
	var b []byte
	if a.newest != nil {
		b = certPEM(a.newest)
	}
	for _, c := range a.replaced {
		b = append(b, certPEM(c)...)
	}
	return b
}

// ID tells the newest CA from any other.
func (a *Authority) ID() string {
	sum := sha256.Sum256(a.newest.Raw)
	return hex.EncodeToString(sum[:])
}

// Replaced is how many CAs are trusted besides the newest.
func (a *Authority) Replaced() int { return len(a.replaced) }

// NotAfter is when the newest CA expires.
func (a *Authority) NotAfter() time.Time { return a.newest.NotAfter }

// Issue makes a key and a serving certificate for the DNS names, valid from now for the given time, but never longer
// than the CA.
func (a *Authority) Issue(names []string, validity time.Duration, now time.Time) (*Files, error) {
	template := leafTemplate(names, nil)
	template.NotBefore, template.NotAfter = now.Add(-skew(validity)), now.Add(validity)
	if template.NotBefore.Before(a.newest.NotBefore) {
		template.NotBefore = a.newest.NotBefore
	}
	if template.NotAfter.After(a.newest.NotAfter) {
		template.NotAfter = a.newest.NotAfter
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	leaf, err := sign(template, a.newest, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	pemKey, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	return &Files{Cert: certPEM(leaf), Key: pemKey, CA: a.Bundle()}, nil
}

// without gives the list without a certificate.
func without(list []*x509.Certificate, c *x509.Certificate) []*x509.Certificate {
	return slices.DeleteFunc(list, func(other *x509.Certificate) bool { return other.Equal(c) })
}

// certificates reads what can be read of a PEM bundle.
func certificates(bundle []byte) (out []*x509.Certificate) {
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == pemCertificate {
			out = append(out, c)
		}
	}
	return out
}

// holds reports whether a PEM bundle has a certificate in it.
func holds(bundle []byte, c *x509.Certificate) bool {
	return slices.ContainsFunc(certificates(bundle), func(other *x509.Certificate) bool { return bytes.Equal(other.Raw, c.Raw) })
}
