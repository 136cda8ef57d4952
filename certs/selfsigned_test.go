package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func selfSigned(t *testing.T, validity time.Duration) *Files {
	t.Helper()
	f, err := SelfSigned([]string{"localhost", "pillion.pillion-system.svc"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, validity)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSelfSignedChainIsTrustedByItsCAForEveryNameAndNoOther(t *testing.T) {
	f := selfSigned(t, 24*time.Hour)
	s, err := f.Status()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"localhost", "pillion.pillion-system.svc", "127.0.0.1", "::1"}
	if diff := cmp.Diff(want, s.Names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	now := time.Now()
	for _, name := range want {
		if err := s.Trusted(f.CA, name, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Trusted(f.CA, "example.org", now); err == nil {
		t.Error("trusted for a name that it was not made for")
	}
	if err := s.Trusted(selfSigned(t, time.Hour).CA, "localhost", now); err == nil {
		t.Error("trusted by another CA")
	}
	if err := s.Trusted([]byte("no PEM"), "localhost", now); err == nil {
		t.Error("trusted by a bundle without certificates")
	}
}

func TestSelfSignedKeysAreP256(t *testing.T) {
	f := selfSigned(t, time.Hour)
	pair, err := tls.X509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		t.Errorf("key is %T, want ECDSA P-256", pair.PrivateKey)
	}
}

func TestSelfSignedRefusesWhatNobodyCanUse(t *testing.T) {
	for _, c := range []struct {
		name     string
		dns      []string
		validity time.Duration
		want     string
	}{
		{"no name", nil, time.Hour, "self-signed certificate: no DNS name and no IP address to make it for"},
		{"no validity", []string{"localhost"}, 0, "self-signed certificate: validity 0s is not positive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := SelfSigned(c.dns, nil, c.validity)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestWrittenDirectoryIsReadBackAndItsKeyIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	f := selfSigned(t, time.Hour)
	for range 2 { // the second time every file is replaced
		if err := f.WriteTo(dir); err != nil {
			t.Fatal(err)
		}
	}
	got, err := FromDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	st, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("key has mode %v, want 0600", st.Mode().Perm())
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Errorf("directory holds %v, want three files", entries)
	}
}

func TestFromDirNamesTheFileThatIsWrong(t *testing.T) {
	good, other := selfSigned(t, time.Hour), selfSigned(t, time.Hour)
	for _, c := range []struct {
		name, want string
		files      map[string][]byte
	}{
		{"no certificate", "tls.crt: no such file", map[string][]byte{KeyFile: good.Key}},
		{"no key", "tls.key: no such file", map[string][]byte{CertFile: good.Cert}},
		{"key of another", "private key does not match public key", map[string][]byte{CertFile: good.Cert, KeyFile: other.Key}},
		{"half a certificate", "failed to find", map[string][]byte{CertFile: good.Cert[:40], KeyFile: good.Key}},
		{"CA file of something else", "ca.crt holds no certificate", map[string][]byte{CertFile: good.Cert, KeyFile: good.Key, CAFile: []byte("hello")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := FromDir(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestFromDirNeedsNoCAFile(t *testing.T) {
	dir := t.TempDir()
	f := selfSigned(t, time.Hour)
	if err := f.WriteTo(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, CAFile)); err != nil {
		t.Fatal(err)
	}
	got, err := FromDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&Files{Cert: f.Cert, Key: f.Key}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
