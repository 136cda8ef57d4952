package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// balancer spreads requests over replicas as a Service does: a replica that is told to stop fails its readiness, and only
// some time later is it left out.
type balancer struct {
	replicas []*process
	// only is the one replica left, once the other is left out.
	only   atomic.Pointer[process]
	next   atomic.Int64
	served atomic.Int64
	// late counts requests to a replica that was already told to stop; closed those of them answered with
	// "Connection: close".
	late, closed atomic.Int64
	stopping     atomic.Pointer[process]
	mu           sync.Mutex
	failures     []string
}

func (b *balancer) pick() *process {
	if p := b.only.Load(); p != nil {
		return p
	}
	return b.replicas[int(b.next.Add(1))%len(b.replicas)]
}

func (b *balancer) failed(format string, args ...any) {
	b.mu.Lock()
	b.failures = append(b.failures, fmt.Sprintf(format, args...))
	b.mu.Unlock()
}

// load sends requests at a steady rate until stop is closed.
func (b *balancer) load(clients map[*process]*http.Client, stop <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		p := b.pick()
		late := b.stopping.Load() == p
		res, err := clients[p].Post(p.webhook+"/mutate?timeout=2s", "application/json", strings.NewReader(review))
		closed := err == nil && res.Close
		if status, body, err := read(res, err); err != nil || status != 200 || body != allowed {
			b.failed("%v %d %s", err, status, body)
			continue
		}
		b.served.Add(1)
		if late {
			b.late.Add(1)
		}
		if late && closed {
			b.closed.Add(1)
		}
	}
}

// follow leaves a replica out, with the delay of a cluster, once its readiness fails.
func (b *balancer) follow(p, other *process, lag time.Duration, leftOut chan<- bool) {
	probe := time.NewTicker(20 * time.Millisecond)
	defer probe.Stop()
	for range probe.C {
		if status, _, err := read(http.Get(p.ops + "/readyz")); err == nil && status == http.StatusOK {
			continue
		}
		<-time.After(lag)
		b.only.Store(other)
		close(leftOut)
		return
	}
}

func TestNoRequestFailsWhileAReplicaStops(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		name := map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[http2]
		t.Run(name, func(t *testing.T) {
			going, staying := launch(t, "--drain-quiet=500ms", "--drain-max=10s"), launch(t)
			b := &balancer{replicas: []*process{going, staying}}
			stop, leftOut := make(chan struct{}), make(chan bool)
			var workers sync.WaitGroup
			for range 4 {
				clients := map[*process]*http.Client{going: going.client(t, http2), staying: staying.client(t, http2)}
				workers.Go(func() { b.load(clients, stop) })
			}
			go b.follow(going, staying, 700*time.Millisecond, leftOut)
			waitFor(t, "load", func() bool { return b.served.Load() > 200 })
			if err := going.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the drain", func() bool { return strings.Contains(going.logged(), `"msg":"draining"`) })
			b.stopping.Store(going)
			<-leftOut
			<-going.exited
			after := b.served.Load() + 100
			waitFor(t, "load on the other", func() bool { return b.served.Load() > after })
			close(stop)
			workers.Wait()

			t.Logf("%d requests, %d of them to the replica that was told to stop", b.served.Load(), b.late.Load())
			if len(b.failures) > 0 {
				t.Errorf("%d failed, the first: %s", len(b.failures), b.failures[0])
			}
			if going.exit != nil || !strings.Contains(going.logged(), `"msg":"stopping","quiet":true`) {
				t.Errorf("exit: %v\n%s", going.exit, going.logged())
			}
			if b.late.Load() < 20 {
				t.Errorf("only %d requests met the replica that was told to stop", b.late.Load())
			}
			if !http2 && b.closed.Load() != b.late.Load() {
				t.Errorf("%d of %d answers while draining said Connection: close", b.closed.Load(), b.late.Load())
			}
		})
	}
}

// waitFor waits for what another goroutine brings about, and gives up after a time that only a failure takes.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	giveUp := time.After(time.Minute)
	for !is() {
		select {
		case <-tick.C:
		case <-giveUp:
			t.Fatalf("no sign of %s", what)
		}
	}
}
