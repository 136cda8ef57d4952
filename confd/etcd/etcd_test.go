package etcd_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/confd"
	"github.com/pillion-dev/pillion/confd/etcd"
	"github.com/pillion-dev/pillion/confd/etcdtest"
	"github.com/pillion-dev/pillion/test/cluster/pki"
)

// followed is a backend that is followed as the program does it: again after every error.
type followed struct {
	t    *testing.T
	keys *confd.Keys

	mu    sync.Mutex
	loads int
	errs  []string
}

func follow(t *testing.T, b *etcd.Backend, paths ...string) *followed {
	t.Helper()
	f := &followed{t: t}
	f.keys = confd.NewKeys(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.loads++
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := b.Follow(ctx, paths, f.keys); err != nil {
				f.mu.Lock()
				f.errs = append(f.errs, err.Error())
				f.mu.Unlock()
				time.Sleep(50 * time.Millisecond)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		b.Close()
	})
	return f
}

func (f *followed) view() map[string]string {
	pairs, _ := f.keys.View([]string{"/"}, confd.Below)
	m := map[string]string{}
	for _, p := range pairs {
		m[p.Key] = p.Value
	}
	return m
}

// becomes waits until the keys are as wanted.
func (f *followed) becomes(want map[string]string) {
	f.t.Helper()
	var diff string
	eventually(f.t, "the keys are as wanted", func() bool {
		diff = cmp.Diff(want, f.view())
		return diff == ""
	}, &diff)
}

// fails waits for an error.
func (f *followed) fails(want string) {
	f.t.Helper()
	var last string
	eventually(f.t, "an error with "+want, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		last = strings.Join(f.errs, "\n")
		return strings.Contains(last, want)
	}, &last)
}

func eventually(t *testing.T, what string, holds func() bool, last *string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute; last: %s", what, *last)
		}
	}
}

func logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestKeysFollowEtcdBelowTheRootAlone(t *testing.T) {
	t.Parallel()
	c := etcdtest.Start(t, 1, false)
	client := c.Client()
	client.Set("/demo/shop/up", "itself", "/demo/shop/up/1", "a", "/demo/shop/up-other/1", "beside", "/demo/shop/x", "not named",
		"/demo/shop2/up/1", "another", "/up/1", "root")
	f := follow(t, &etcd.Backend{Nodes: c.URLs(), Root: "/demo/shop", Log: logger()}, "/up", "/up/deeper", "/late")
	f.becomes(map[string]string{"/up": "itself", "/up/1": "a"})
	client.Set("/demo/shop/up/2", "b", "/demo/shop/up-other/2", "beside", "/demo/shop2/up/2", "another", "/demo/shop/late", "now")
	client.Unset("/demo/shop/up/1", "/demo/shop/up-other/1", "/demo/shop/up")
	f.becomes(map[string]string{"/up/2": "b", "/late": "now"})
	if f.loads != 1 || len(f.errs) != 0 {
		t.Errorf("%d loads, errors %q: want what changed by the watch alone", f.loads, f.errs)
	}
}

func TestWholeEtcdWithoutARoot(t *testing.T) {
	c := etcdtest.Start(t, 1, false)
	c.Client().Set("/a/b", "1")
	f := follow(t, &etcd.Backend{Nodes: c.URLs(), Log: logger()}, "/")
	f.becomes(map[string]string{"/a/b": "1", "/ready": "yes"})
}

// TestCompactionIsFollowedByReadingAnew breaks the connection, changes and compacts, and lets the watch come back to a
// revision that is no more.
func TestCompactionIsFollowedByReadingAnew(t *testing.T) {
	t.Parallel()
	c := etcdtest.Start(t, 1, false)
	client := c.Client()
	client.Set("/up/1", "a", "/up/2", "b")
	p := c.Way(0)
	f := follow(t, &etcd.Backend{Nodes: []string{p.URL()}, Log: logger()}, "/up")
	f.becomes(map[string]string{"/up/1": "a", "/up/2": "b"})
	p.Cut()
	client.Unset("/up/1")
	client.Set("/up/3", "c", "/up/2", "changed")
	client.CompactAll()
	p.Mend()
	f.becomes(map[string]string{"/up/2": "changed", "/up/3": "c"})
	client.Set("/up/4", "d")
	f.becomes(map[string]string{"/up/2": "changed", "/up/3": "c", "/up/4": "d"})
	if f.loads < 2 {
		t.Errorf("%d loads: the compaction was not met", f.loads)
	}
}

func TestLeaderIsLostAndThenTheMajority(t *testing.T) {
	t.Parallel()
	c := etcdtest.Start(t, 3, false)
	client := c.Client()
	client.Set("/up/1", "a")
	f := follow(t, &etcd.Backend{Nodes: c.URLs(), Log: logger()}, "/up")
	f.becomes(map[string]string{"/up/1": "a"})
	first := c.Leader()
	c.Kill(first)
	client.Set("/up/2", "b") // waits for the new leader
	f.becomes(map[string]string{"/up/1": "a", "/up/2": "b"})

	second := c.Leader()
	c.Kill(second)
	f.fails("etcd") // one of three cannot promise anything
	if diff := cmp.Diff(map[string]string{"/up/1": "a", "/up/2": "b"}, f.view()); diff != "" {
		t.Error("what was known is lost:", diff)
	}
	c.Run(first)
	client.Set("/up/3", "c")
	f.becomes(map[string]string{"/up/1": "a", "/up/2": "b", "/up/3": "c"})
	c.Run(second)
}

func TestWrongPasswordIsSaidAndTheRightOneTakenUp(t *testing.T) {
	t.Parallel()
	c := etcdtest.Start(t, 1, false)
	client := c.Client()
	client.Set("/demo/up/1", "a")
	client.Restrict("/demo/", "right")
	dir := c.Credentials(map[string]string{"username": "reader", "password": "wrong\n"})
	f := follow(t, &etcd.Backend{Nodes: c.URLs(), Root: "/demo", Credentials: dir, Log: logger()}, "/up")
	f.fails("etcd refuses the username or password: ")
	if len(f.view()) != 0 {
		t.Error("keys are read with a wrong password")
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("right"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.becomes(map[string]string{"/up/1": "a"})
	c.Client("root", "root").Set("/demo/up/2", "b")
	f.becomes(map[string]string{"/up/1": "a", "/up/2": "b"})

	other := follow(t, &etcd.Backend{Nodes: c.URLs(), Root: "/other", Credentials: dir, Log: logger()}, "/up")
	other.fails("etcd's user may not read the keys below /other: ")
	none := follow(t, &etcd.Backend{Nodes: c.URLs(), Root: "/demo", Log: logger()}, "/up")
	none.fails("etcd refuses the username or password: ")
}

func TestTLSWithACertificateOfBothSides(t *testing.T) {
	t.Parallel()
	c := etcdtest.Start(t, 1, true)
	c.Client().Set("/up/1", "a")
	f := follow(t, &etcd.Backend{Nodes: c.URLs(), Credentials: c.Credentials(nil), Log: logger()}, "/up")
	f.becomes(map[string]string{"/up/1": "a"})

	stranger, err := pki.NewAuthority("stranger")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"another authority": {map[string]string{"ca.crt": string(stranger.Cert)}, "etcd cannot be reached: " + c.URLs()[0] + ": tls: failed to verify certificate"},
		"no certificate":    {map[string]string{"ca.crt": "none"}, "etcd credentials: ca.crt has no certificate in PEM"},
		"another key":       {map[string]string{"tls.key": string(stranger.Key)}, "etcd credentials: tls.crt and tls.key: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			follow(t, &etcd.Backend{Nodes: c.URLs(), Credentials: c.Credentials(tt.files), Log: logger()}, "/up").fails(tt.want)
		})
	}
}

func TestCredentialsThatAreIncomplete(t *testing.T) {
	for name, tt := range map[string]struct{ file, want string }{
		"password alone":    {"password", " has a password and no username"},
		"certificate alone": {"tls.crt", " has one of tls.crt and tls.key, which go together"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, tt.file), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		b := &etcd.Backend{Nodes: []string{"http://127.0.0.1:1"}, Credentials: dir, Log: logger()}
		err := b.Follow(t.Context(), nil, confd.NewKeys(nil))
		if want := "etcd credentials: " + dir + tt.want; err == nil || err.Error() != want {
			t.Errorf("%s: the error is %v, want %s", name, err, want)
		}
	}
}

func TestNodesThatDoNotAnswerAreNamed(t *testing.T) {
	t.Parallel()
	b := &etcd.Backend{Nodes: []string{"http://127.0.0.1:1", "http://127.0.0.1:2"}, Log: logger()}
	err := b.Follow(t.Context(), []string{"/up"}, confd.NewKeys(nil))
	b.Close()
	if err == nil || !strings.HasPrefix(err.Error(), "etcd cannot be reached: http://127.0.0.1:1: dial tcp") || !strings.Contains(err.Error(), "http://127.0.0.1:2") {
		t.Errorf("the error is %v", err)
	}
}

// TestManyKeysAreReadAtOneRevision changes all keys together, again and again, while they are read in pages.
func TestManyKeysAreReadAtOneRevision(t *testing.T) {
	const n = 10000
	c := etcdtest.Start(t, 1, false)
	client := c.Client()
	client.Fill("/up", n, "0")
	ctx, stop := context.WithCancel(context.Background())
	writer := c.Client()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			value := fmt.Sprint(i)
			// One transaction changes the first and the last page together.
			writer.Pair("/up/00000", "/up/09999", value)
		}
	})
	for range 5 {
		keys := confd.NewKeys(nil)
		session, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		b := &etcd.Backend{Nodes: c.URLs(), Log: logger()}
		go func() { done <- b.Follow(session, []string{"/up"}, keys) }()
		for range 20 {
			select {
			case <-keys.Changed():
			case err := <-done:
				t.Fatal(err)
			}
			view, _ := keys.View([]string{"/up"}, confd.Below)
			if len(view) != n || view[0].Value != view[n-1].Value {
				t.Fatalf("%d keys; the first is %s, the last %s: want %d of one revision", len(view), view[0].Value, view[len(view)-1].Value, n)
			}
		}
		cancel()
		<-done
		b.Close()
	}
	stop()
	wg.Wait()
}

func TestTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	c := etcdtest.Start(t, 1, false)
	c.Client().Fill("/up", 200, strings.Repeat("x", 10000))
	c.Client().Fill("/up/more", 1600, strings.Repeat("x", 10000))
	follow(t, &etcd.Backend{Nodes: c.URLs(), Log: logger()}, "/up").fails("the keys below /up hold more than 16777216 bytes: name fewer in the template resources")
}
