package failsafe

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// most is the largest time, in seconds, of a call that the API server still tells apart from one with the timeout that it
// takes where none is given, 10 s. The chart's is 2 s.
const most = 10

// TestBlackHole has the webhook swallow what comes: first as a process that hangs with its connections open, then as a
// network that drops packets. Pods that ask wait for the chart's timeout; all others do not wait at all.
func TestBlackHole(t *testing.T) {
	b := use(t)
	b.killAll()
	b.timeout = b.installed
	t.Cleanup(func() { b.timeout = patient })
	r := b.replica(t, b.ca)
	defer r.Stop()
	required := b.namespace(t, "hole", map[string]string{label: "required"}, nil)
	t.Run("it accepts and never answers", func(t *testing.T) {
		b.call(t, byService(b.service.port(), b.ca.Cert))
		b.inForce(t)
		end := b.service.silence()
		defer end()
		b.swallowed(t, required)
		end()
		b.inForce(t) // by itself
	})
	t.Run("packets are dropped", func(t *testing.T) {
		port := fullPort(t)
		b.call(t, byService(port, b.ca.Cert))
		b.swallowed(t, required)
		b.swallowedTwice(t)
		b.call(t, byService(b.service.port(), b.ca.Cert))
		b.inForce(t)
	})
}

// swallowed creates Pods while the webhook answers nothing.
func (b *bed) swallowed(t *testing.T, required string) {
	t.Helper()
	b.down(t)
	all, _ := b.within(t, most)
	within := func() uint64 { _, n := b.within(t, most); return n }
	before, open, n := within(), b.failedOpen(t), 3
	var creates sync.WaitGroup
	for range n {
		creates.Go(func() {
			began := time.Now()
			if _, err := b.create(t.Context(), "default", pod(asking()), true); err == nil || !strings.Contains(err.Error(), byPolicy) {
				t.Errorf("asks: %v", err)
			}
			t.Logf("a Pod that asks: refused after %.2f s", time.Since(began).Seconds())
		})
	}
	creates.Go(func() {
		if _, err := b.create(t.Context(), required, pod(nil), true); err == nil || !strings.Contains(err.Error(), wantsWebhook) || !strings.Contains(err.Error(), "timeout=2s") {
			t.Errorf("required: %v", err)
		}
	})
	began := time.Now()
	for range 50 {
		if _, err := b.create(t.Context(), "default", pod(nil), true); err != nil {
			t.Errorf("unrelated: %v", err)
		}
	}
	t.Logf("a Pod that does not ask: created after %.3f s", time.Since(began).Seconds()/50)
	creates.Wait()
	calls, _ := b.within(t, most)
	if calls-all != uint64(n)+1 || within()-before != uint64(n)+1 || b.failedOpen(t)-open != n {
		t.Errorf("of %d Pods that concern the webhook there are %d calls, %d of them within %d s, %d failed open", n+1, calls-all, within()-before, most, b.failedOpen(t)-open)
	}
}

// swallowedTwice creates a Pod that another webhook changes afterwards: the API server asks again, in vain, once.
func (b *bed) swallowedTwice(t *testing.T) {
	t.Helper()
	space := b.namespace(t, "hole-twice", nil, nil)
	defer b.another(t, "z-after", space, `[{"op":"add","path":"/metadata/labels","value":{"changed":"true"}}]`)()
	await(t, "the other webhook is called", func() error {
		p, err := b.create(t.Context(), space, pod(nil), true)
		if err == nil && p.Labels["changed"] == "" {
			err = errors.New("it is not")
		}
		return err
	})
	open, began := b.failedOpen(t), time.Now()
	if _, err := b.create(t.Context(), space, pod(asking()), true); err == nil || !strings.Contains(err.Error(), byPolicy) {
		t.Errorf("asks: %v", err)
	}
	t.Logf("a Pod that asks and that another webhook changes: refused after %.2f s", time.Since(began).Seconds())
	if got := b.failedOpen(t) - open; got != 2 {
		t.Errorf("the webhook was tried %d times, want 2", got)
	}
}

// fullPort gives a port where the kernel drops what comes: somebody listens who accepts nothing, and the queue is full.
func fullPort(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	address := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := syscall.Bind(fd, address); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	for range 20 {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), 200*time.Millisecond)
		if err != nil {
			return port
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the queue does not fill")
	return 0
}
