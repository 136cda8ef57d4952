package certs

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Lifetimes of self-managed certificates. Each is renewed after two thirds of its own.
type Lifetimes struct {
	// Leaf is that of a serving certificate, CA that of the CA.
	Leaf, CA time.Duration
}

// DefaultLifetimes are 90 days for a serving certificate and ten years for the CA.
func DefaultLifetimes() Lifetimes {
	return Lifetimes{Leaf: 90 * 24 * time.Hour, CA: 3650 * 24 * time.Hour}
}

// The rotation of a CA has three steps, each safe to stop after:
//
//  1. Renew makes a new CA and keeps the one before it in the bundle. Nothing is signed by the new one yet.
//  2. The bundle is put where clients look. Only once it is known to be there is a leaf signed by the new CA (LeafDue).
//  3. Prune drops the old CA, when every leaf that it can have signed has expired.
//
// So whatever a server presents, now or from before, a client finds its CA in the bundle.

// Due says why a new CA is needed, or nothing.
func (a *Authority) Due(now time.Time) string {
	switch {
	case a.newest == nil:
		return "there is none that can sign"
	case now.Before(a.newest.NotBefore):
		return "it is not valid before " + stamp(a.newest.NotBefore) + ", so the clock was ahead when it was made"
	case !now.Before(renewsAt(a.newest)):
		return "two thirds of its time, or more, are over: it ends at " + stamp(a.newest.NotAfter)
	}
	return ""
}

// Prune gives an Authority without the CAs that can have signed nothing that is still valid: the newest CA has been there for
// longer than a leaf lives. A CA that signed one of the files in use stays. The same Authority is given where none is dropped.
func (a *Authority) Prune(inUse []*Files, leaf time.Duration, now time.Time) *Authority {
	if now.Before(a.newest.NotBefore.Add(skew(a.newest.NotAfter.Sub(a.newest.NotBefore)) + leaf)) {
		return a
	}
	keep := slices.DeleteFunc(slices.Clone(a.replaced), func(ca *x509.Certificate) bool {
		return !slices.ContainsFunc(inUse, func(f *Files) bool { return signedBy(f, ca) })
	})
	if len(keep) == len(a.replaced) {
		return a
	}
	return &Authority{newest: a.newest, key: a.key, replaced: keep}
}

// Signed reports whether the newest CA signed the files' leaf.
func (a *Authority) Signed(f *Files) bool { return signedBy(f, a.newest) }

// In reports whether a bundle (PEM) has the newest CA in it.
func (a *Authority) In(bundle []byte) bool { return holds(bundle, a.newest) }

// LeafDue says why a serving certificate has to be made anew by the newest CA, or nothing. The first name is how clients call
// the server.
func (a *Authority) LeafDue(f *Files, names []string, now time.Time) string {
	if len(f.Cert) == 0 && len(f.Key) == 0 {
		return "there is none yet"
	}
	status, err := f.Status()
	if err != nil {
		return err.Error()
	}
	switch {
	case !a.Signed(f):
		return fmt.Sprintf("%q signed it, which is not the newest CA", status.Issuer)
	case !slices.Equal(status.leaf.DNSNames, names):
		return fmt.Sprintf("it is for %q, not for %q", status.Names, names)
	case now.Before(status.NotBefore):
		return "it is not valid before " + stamp(status.NotBefore) + ", so the clock was ahead when it was made"
	case !now.Before(renewsAt(status.leaf)):
		return "two thirds of its time, or more, are over: it ends at " + stamp(status.NotAfter)
	}
	return ""
}

// Serves gives nil where a client that trusts the bundle (PEM) and calls the server by a name accepts the files' chain now: so
// replacing it too early would lose something.
func (f *Files) Serves(bundle []byte, name string, now time.Time) error {
	status, err := f.Status()
	if err != nil {
		return err
	}
	return status.Trusted(bundle, name, now)
}

// renewsAt is when two thirds of a certificate's time are over.
func renewsAt(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) / 3 * 2)
}

func signedBy(f *Files, ca *x509.Certificate) bool {
	chain := certificates(f.Cert)
	return len(chain) > 0 && chain[0].CheckSignatureFrom(ca) == nil
}
