package proxy

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestFailover kills one of two endpoints under load. Requests that were on it are cut; after the health check none fails, nor
// while it comes back.
func TestFailover(t *testing.T) {
	for _, balance := range []string{"leastconn", "roundrobin", "first"} {
		t.Run(balance, func(t *testing.T) {
			t.Parallel()
			one, _ := local(t)
			two, _ := local(t)
			listen, port := local(t)
			killed := nginx(t, "one", one)
			nginx(t, "two", two)
			p := newProxy(t, map[string]string{
				"mode": "outbound", "outbound-1-port": port, "outbound-1-servers": one + "," + two, "outbound-balance": balance,
			})
			p.start()
			up := func(server string, want float64) func() bool {
				return func() bool {
					return p.metric("haproxy_server_status", `proxy="outbound-1"`, `server="`+server+`"`, `state="UP"`) == want
				}
			}
			eventually(t, "both are up", func() bool { return up(one, 1)() && up(two, 1)() })
			load := newLoad(4, "http://"+listen)
			reach := func(more int) {
				good, _ := load.counts()
				eventually(t, "requests are answered", func() bool { now, _ := load.counts(); return now >= good+more })
			}
			reach(100)
			killed.kill()
			eventually(t, "the health check finds it", up(one, 0))
			_, before := load.counts()
			reach(500)
			nginx(t, "one", one)
			eventually(t, "it is back", up(one, 1))
			reach(100)
			good, failed, why := load.end()
			t.Logf("%d requests; %d failed until the health check found the dead one, %d after", good, before, failed-before)
			if failed != before {
				t.Errorf("%d requests failed after the health check, the first of all with %q", failed-before, why)
			}
		})
	}
}

// TestRetryOnFailure asks an app that cuts every other answer off: a GET is asked again, a POST never.
func TestRetryOnFailure(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 1 {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.Close()
			}
		}
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for retry, want := range map[string]int{"failure": http.StatusOK, "connect": http.StatusBadGateway} {
		p := newProxy(t, map[string]string{"upstream-port": port, "retry-on": retry})
		p.start()
		p.ready()
		asked.Store(0)
		if status, _ := get(fresh(), p.url); status != want {
			t.Errorf("retry-on %s: a GET is answered %d, want %d", retry, status, want)
		}
		asked.Store(0)
		res, err := fresh().Post(p.url, "text/plain", strings.NewReader("once"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusBadGateway || asked.Load() != 1 {
			t.Errorf("retry-on %s: a POST is answered %d after the app was asked %d times", retry, res.StatusCode, asked.Load())
		}
	}
}
