package proxy

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// silent accepts connections, or takes requests, and never says a word.
func silent(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// TestTimeouts has the app be silent: its time is up by the parameter, and the client is told. A client that is silent itself
// is hung up on.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	p := newProxy(t, map[string]string{"upstream-port": silent(t), "server-timeout": "1s", "client-timeout": "1s"})
	p.start()
	p.ready()
	if status, body := get(fresh(), p.url); status != http.StatusGatewayTimeout {
		t.Errorf("of a silent app comes %d %q, want 504", status, body)
	}
	if n := p.metric("haproxy_backend_response_errors_total", `proxy="app"`); n != 1 {
		t.Errorf("%v errors of the app were counted, want 1", n)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The proxy ends it: this read would take for ever otherwise, and the test with it.
	answer := make([]byte, 512)
	n, _ := conn.Read(answer)
	if n > 0 && !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 408 ") {
		t.Errorf("a silent client is told %q", answer[:n])
	}
}

// TestRetriesOfConnecting counts what follows on a refused connection: nothing, or another attempt, as the parameter says. How many
// there are before the health check knows better is the machine's affair.
func TestRetriesOfConnecting(t *testing.T) {
	t.Parallel()
	for retries, again := range map[string]bool{"0": false, "2": true} {
		app, port := local(t)
		server := nginx(t, "app", app)
		p := newProxy(t, map[string]string{"upstream-port": port, "retries": retries})
		p.start()
		p.ready()
		server.kill()
		status, _ := get(fresh(), p.url)
		// Another attempt counts as a dispatch anew, as it looks for another endpoint each time.
		n := p.metric("haproxy_backend_retry_warnings_total", `proxy="app"`) + p.metric("haproxy_backend_redispatch_warnings_total", `proxy="app"`)
		if status != http.StatusServiceUnavailable || (n > 0) != again || n > 2 {
			t.Errorf("with retries %s: answer %d after %v more attempts", retries, status, n)
		}
	}
}

// TestAccessLog has a line for every request with the log, and none without.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	app, port := local(t)
	nginx(t, "app", app)
	for log, want := range map[string]int{"true": 3, "false": 0} {
		p := newProxy(t, map[string]string{"upstream-port": port, "access-log": log})
		p.start()
		p.ready()
		for range 3 {
			get(fresh(), p.url+"/order/17")
		}
		p.drain("the proxy has ended, after its last line", p.process.hasEnded)
		if got := strings.Count(p.process.output.String(), `"GET /order/17 HTTP/1.1"`); got != want {
			t.Errorf("access-log %s: %d lines of 3 requests, want %d:\n%s", log, got, want, p.process.output.String())
		}
	}
}

// TestHealthPath asks the app itself how it is: the Pod is ready only while it says so.
func TestHealthPath(t *testing.T) {
	t.Parallel()
	var ill atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/well" && ill.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	p := newProxy(t, map[string]string{"upstream-port": port, "health-path": "/well"})
	p.start()
	for _, round := range []struct {
		ill  bool
		want int
	}{{false, 200}, {true, 503}, {false, 200}} {
		ill.Store(round.ill)
		eventually(t, "/ready follows the app", func() bool {
			status, _ := get(http.DefaultClient, p.metrics+"/ready")
			return status == round.want
		})
		if status, _ := get(http.DefaultClient, p.metrics+"/healthz"); status != http.StatusOK {
			t.Errorf("/healthz is %d while the app is ill: the kubelet would restart the proxy", status)
		}
	}
}

// TestForwardedHeaders shows the app the client's address, and nobody else's word for it.
func TestForwardedHeaders(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header.Values("X-Forwarded-For"))
	}))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	p := newProxy(t, map[string]string{"upstream-port": port})
	p.start()
	p.ready()
	if status, body := get(fresh(), p.url); status != http.StatusOK || strings.TrimSpace(body) != `["127.0.0.1"]` {
		t.Errorf("the app reads X-Forwarded-For %d %s", status, body)
	}
}
