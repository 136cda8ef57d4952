package certs

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const day = 24 * time.Hour

var begin = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func authority(t *testing.T, at time.Time) *Authority {
	t.Helper()
	a, err := new(Authority).Renew(DefaultLifetimes().CA, at)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func leaf(t *testing.T, a *Authority, at time.Time, names ...string) *Files {
	t.Helper()
	f, err := a.Issue(names, DefaultLifetimes().Leaf, at)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func data(t *testing.T, a *Authority) map[string][]byte {
	t.Helper()
	d, err := a.Data()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAuthorityIsReadBackFromItsSecret(t *testing.T) {
	first := authority(t, begin)
	second, err := first.Renew(DefaultLifetimes().CA, begin.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	got, err := AuthorityFrom(data(t, second))
	if err != nil {
		t.Fatal(err)
	}
	if got.ID() != second.ID() || !bytes.Equal(got.Bundle(), second.Bundle()) || got.Replaced() != 1 || !got.NotAfter().Equal(second.NotAfter()) {
		t.Errorf("another authority was read: %s", got.Bundle())
	}
	if f := leaf(t, got, begin.Add(day), "a.example"); !got.Signed(f) || first.Signed(f) {
		t.Error("it signs with another CA")
	}
}

// What can be trusted of a spoiled Secret still is: leaves in service verify until there are others.
func TestSpoiledAuthorityCannotSignAndIsStillTrusted(t *testing.T) {
	a := authority(t, begin)
	served := leaf(t, a, begin, "a.example")
	whole, other := data(t, a), data(t, authority(t, begin))
	notCA := leaf(t, a, begin, "a.example")
	for _, c := range []struct {
		name, want string
		data       map[string][]byte
		trusted    bool
	}{
		{"nothing", "there is no CA yet", nil, false},
		{"only the list of trusted CAs", "there is no CA yet", map[string][]byte{CAFile: whole[CAFile]}, true},
		{"half a key", "the CA cannot sign: tls: failed to find any PEM data in key input", map[string][]byte{CertFile: whole[CertFile], KeyFile: whole[KeyFile][:50]}, true},
		{"the key of another", "the CA cannot sign: tls: private key does not match public key", map[string][]byte{CertFile: whole[CertFile], KeyFile: other[KeyFile]}, true},
		{"garbage", "the CA cannot sign: tls: failed to find any PEM data in certificate input", map[string][]byte{CertFile: []byte("x"), KeyFile: []byte("y"), CAFile: []byte("z")}, false},
		{"a serving certificate", "the CA cannot sign: tls.crt is not of a CA", map[string][]byte{CertFile: notCA.Cert, KeyFile: notCA.Key, CAFile: whole[CAFile]}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := AuthorityFrom(c.data)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
			next, err := got.Renew(DefaultLifetimes().CA, begin.Add(day))
			if err != nil {
				t.Fatal(err)
			}
			if err := served.Serves(next.Bundle(), "a.example", begin.Add(day)); (err == nil) != c.trusted {
				t.Errorf("the served leaf: %v", err)
			}
		})
	}
}

func TestDueSaysWhyANewCAIsNeeded(t *testing.T) {
	a := authority(t, begin)
	for _, c := range []struct {
		at   time.Duration
		want string
	}{
		{0, ""},
		{-5 * time.Minute, ""},
		{-400 * day, "it is not valid before 2026-05-31T23:55:00Z, so the clock was ahead when it was made"},
		{400 * day, ""},
		{2433 * day, ""},
		{2434 * day, "two thirds of its time, or more, are over: it ends at 2036-05-29T00:00:00Z"},
		{9999 * day, "two thirds of its time, or more, are over: it ends at 2036-05-29T00:00:00Z"},
	} {
		if got := a.Due(begin.Add(c.at)); got != c.want {
			t.Errorf("after %s: %q, want %q", c.at, got, c.want)
		}
	}
	if got := new(Authority).Due(begin); got != "there is none that can sign" {
		t.Errorf("without a CA: %q", got)
	}
}

func TestLeafDueSaysWhyALeafIsMadeAnew(t *testing.T) {
	a := authority(t, begin)
	names := []string{"a.example"}
	good := leaf(t, a, begin, names...)
	foreign := leaf(t, authority(t, begin), begin, names...)
	for _, c := range []struct {
		name  string
		files *Files
		names []string
		at    time.Duration
		want  string
	}{
		{"new", good, names, 0, ""},
		{"59 days old", good, names, 59 * day, ""},
		{"60 days old", good, names, 60 * day, "two thirds of its time, or more, are over: it ends at 2026-08-30T00:00:00Z"},
		{"expired", good, names, 400 * day, "two thirds of its time, or more, are over: it ends at 2026-08-30T00:00:00Z"},
		{"of the future", good, names, -400 * day, "it is not valid before 2026-05-31T23:55:00Z, so the clock was ahead when it was made"},
		{"for another name", good, []string{"b.example"}, 0, `it is for ["a.example"], not for ["b.example"]`},
		{"of another CA", foreign, names, 0, fmt.Sprintf("%q signed it, which is not the newest CA", issuer(t, foreign))},
		{"none", &Files{}, names, 0, "there is none yet"},
		{"half a key", &Files{Cert: good.Cert, Key: good.Key[:30]}, names, 0, "serving certificate: tls: failed to find any PEM data in key input"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := a.LeafDue(c.files, c.names, begin.Add(c.at)); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func issuer(t *testing.T, f *Files) string {
	t.Helper()
	s, err := f.Status()
	if err != nil {
		t.Fatal(err)
	}
	return s.Issuer
}

func TestLeafNeverOutlivesItsCA(t *testing.T) {
	a, err := new(Authority).Renew(10*day, begin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := leaf(t, a, begin.Add(9*day), "a.example").Status()
	if err != nil {
		t.Fatal(err)
	}
	if !s.NotAfter.Equal(a.NotAfter()) {
		t.Errorf("the leaf ends at %s, the CA at %s", s.NotAfter, a.NotAfter())
	}
}

func TestPruneDropsACAOnlyWhenNothingOfItCanBeValid(t *testing.T) {
	first := authority(t, begin.Add(-3000*day))
	oldLeaf := leaf(t, first, begin.Add(-time.Minute), "a.example")
	second, err := first.Renew(DefaultLifetimes().CA, begin)
	if err != nil {
		t.Fatal(err)
	}
	newLeaf := leaf(t, second, begin, "a.example")
	for _, c := range []struct {
		name  string
		inUse *Files
		at    time.Duration
		keeps int
	}{
		{"just replaced", oldLeaf, 0, 1},
		{"all leaves switched", newLeaf, day, 1},
		{"a leaf's life later, less a moment", newLeaf, 90*day - time.Second, 1},
		{"a leaf's life later", newLeaf, 90 * day, 0},
		{"a leaf's life later, and one is not switched", oldLeaf, 90 * day, 1},
	} {
		if got := second.Prune([]*Files{c.inUse}, 90*day, begin.Add(c.at)); got.Replaced() != c.keeps {
			t.Errorf("%s: %d old CAs, want %d", c.name, got.Replaced(), c.keeps)
		}
	}
}

// Whatever the clock does, a leaf that verified before a step verifies after it: the rules never take a CA away from a leaf.
func TestRotationNeverBreaksAChainThatVerifies(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		life := Lifetimes{Leaf: 90 * day, CA: 300 * day}
		now := begin
		a, err := new(Authority).Renew(life.CA, now)
		if err != nil {
			r.Fatal(err)
		}
		served, err := a.Issue([]string{"x"}, life.Leaf, now)
		if err != nil {
			r.Fatal(err)
		}
		for range rapid.IntRange(1, maxReplaced).Draw(r, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-500, 500).Draw(r, "days")) * day)
			verified := served.Serves(a.Bundle(), "x", now) == nil
			if a.Due(now) != "" {
				if a, err = a.Renew(life.CA, now); err != nil {
					r.Fatal(err)
				}
			}
			a = a.Prune([]*Files{served}, life.Leaf, now)
			if after := served.Serves(a.Bundle(), "x", now); verified && after != nil {
				r.Fatalf("at %s a chain that verified does not: %v", now, after)
			}
			if a.LeafDue(served, []string{"x"}, now) != "" && rapid.Bool().Draw(r, "switched") {
				if served, err = a.Issue([]string{"x"}, life.Leaf, now); err != nil {
					r.Fatal(err)
				}
				if err := served.Serves(a.Bundle(), "x", now); err != nil {
					r.Fatalf("a new leaf does not verify: %v", err)
				}
			}
		}
	})
}

func TestAnAuthorityTrustsOthersToo(t *testing.T) {
	other, old := authority(t, begin), authority(t, begin.Add(-2*DefaultLifetimes().CA))
	served := leaf(t, other, begin, "a.example")
	bundle := bytes.Join([][]byte{other.Bundle(), old.Bundle(), served.Cert, []byte("no certificate"), other.Bundle()}, []byte("\n"))
	empty, err := AuthorityFrom(nil)
	if err == nil {
		t.Fatal("an Authority of nothing")
	}
	a, err := empty.Trusting(bundle, begin).Renew(DefaultLifetimes().CA, begin)
	if err != nil {
		t.Fatal(err)
	}
	if want := append(certPEM(a.newest), other.Bundle()...); !bytes.Equal(a.Bundle(), want) {
		t.Errorf("it trusts\n%s\nwant itself and the other one\n%s", a.Bundle(), want)
	}
	if err := served.Serves(a.Bundle(), "a.example", begin); err != nil {
		t.Error(err)
	}
	if a.Trusting(a.Bundle(), begin).Replaced() != 1 {
		t.Error("it trusts itself twice")
	}
	if later := a.Prune(nil, DefaultLifetimes().Leaf, begin.Add(DefaultLifetimes().Leaf+day)); later.Replaced() != 0 {
		t.Error("the other one is trusted for longer than a leaf of its own")
	}
}

func TestTrustedCAsAreBounded(t *testing.T) {
	a := authority(t, begin)
	for range 2 * maxReplaced {
		var err error
		if a, err = a.Renew(DefaultLifetimes().CA, begin); err != nil {
			t.Fatal(err)
		}
	}
	if a.Replaced() != maxReplaced {
		t.Errorf("%d CAs besides the newest", a.Replaced())
	}
}

func TestBundleIsPlainPEM(t *testing.T) {
	a := authority(t, begin)
	if s := string(a.Bundle()); !strings.HasPrefix(s, "-----BEGIN CERTIFICATE-----\n") || !a.In(a.Bundle()) || a.In(nil) {
		t.Errorf("%s", s)
	}
	if _, err := tls.X509KeyPair(data(t, a)[CertFile], data(t, a)[KeyFile]); err != nil {
		t.Error(err)
	}
}
