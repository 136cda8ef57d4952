package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/sidecars/certificate"
)

func TestRoutesHaveMetricsOfTheirOwn(t *testing.T) {
	t.Parallel()
	app, appPort := local(t)
	api, apiPort := local(t)
	nginx(t, "app", app)
	nginx(t, "api", api)
	p := newProxy(t, map[string]string{"upstream-port": appPort, "route-1-path": "/api", "route-1-port": apiPort})
	p.start()
	p.ready()
	for path, want := range map[string]string{
		"/": "app", "/api": "api", "/api/x": "api", "/apis": "app", "/x/api": "app", "/%61pi/x": "api",
	} {
		if status, body := get(fresh(), p.url+path); status != http.StatusOK || !strings.HasPrefix(body, want+" ") {
			t.Errorf("%s: %d %q, want an answer of %s", path, status, body, want)
		}
	}
	for proxy, want := range map[string]float64{`proxy="route-1"`: 3, `proxy="app"`: 3} {
		if got := p.metric("haproxy_backend_http_responses_total", proxy, `code="2xx"`); got != want {
			t.Errorf("%s answered %v requests with 2xx, want %v", proxy, got, want)
		}
	}
}

func TestPathsAllowedAndDenied(t *testing.T) {
	t.Parallel()
	app, port := local(t)
	nginx(t, "app", app)
	p := newProxy(t, map[string]string{"upstream-port": port, "allow-paths": "/shop,/admin", "deny-paths": "/admin"})
	p.start()
	p.ready()
	for path, want := range map[string]int{
		"/shop": 200, "/shop/a": 200, "/shop?a=/admin": 200, "/": 403, "/shops": 403, "/other": 403, "/admin": 403, "/admin/x": 403,
		"/%61dmin": 403, "/admin%2Fx": 403, "/shop/../admin": 400, "/shop/%2e%2e/admin": 400, "//admin": 400, "/shop/..": 400, "/./admin": 400,
		"/shop/..;/admin": 400, "/admin;a=b": 400,
	} {
		if status := raw(t, p, path); status != want {
			t.Errorf("%s is answered %d, want %d", path, status, want)
		}
	}
	if got := p.metric("haproxy_frontend_requests_denied_total", `proxy="reverse"`); got != 14 {
		t.Errorf("%v requests were counted as denied, want 14", got)
	}
}

// raw asks for a path as it is written.
func raw(t *testing.T, p *proxy, path string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Opaque = path
	if strings.HasPrefix(path, "//") {
		req.URL.Opaque = req.URL.Scheme + "://" + req.URL.Host + path
	}
	res, err := fresh().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestNetworksAllowedAndDenied(t *testing.T) {
	t.Parallel()
	app, port := local(t)
	nginx(t, "app", app)
	for _, c := range []struct {
		parameters map[string]string
		http, tcp  int // 0: no answer
	}{
		{map[string]string{"allow-networks": "127.0.0.0/8"}, 200, 200},
		{map[string]string{"allow-networks": "10.0.0.0/8,fd00::/8"}, 403, 0},
		{map[string]string{"deny-networks": "127.0.0.1"}, 403, 0},
		{map[string]string{"allow-networks": "127.0.0.0/8", "deny-networks": "127.0.0.1/32"}, 403, 0},
		{map[string]string{"deny-networks": "10.0.0.0/8"}, 200, 200},
	} {
		for protocol, want := range map[string]int{"http": c.http, "tcp": c.tcp} {
			set := map[string]string{"upstream-port": port, "protocol": protocol}
			for name, v := range c.parameters {
				set[name] = v
			}
			p := newProxy(t, set)
			p.start()
			p.ready()
			if status, body := get(fresh(), p.url); status != want {
				t.Errorf("%v: %d %q, want %d", set, status, body, want)
			}
			p.process.kill()
		}
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	app, port := local(t)
	nginx(t, "app", app)
	for protocol, refused := range map[string]int{"http": http.StatusTooManyRequests, "tcp": 0} {
		p := newProxy(t, map[string]string{"upstream-port": port, "protocol": protocol, "rate-limit": "20", "rate-period": "1h"})
		p.start()
		p.ready()
		got := map[int]int{}
		for range 50 {
			status, _ := get(fresh(), p.url)
			got[status]++
		}
		if got[http.StatusOK] != 20 || got[refused] != 30 {
			t.Errorf("%s: of 50 requests came %v, want 20 times 200 and 30 times %d", protocol, got, refused)
		}
	}
}

func TestTLSAndClientsCertificates(t *testing.T) {
	t.Parallel()
	app, port := local(t)
	nginx(t, "app", app)
	ca, other := certificate.NewAuthority(t), certificate.NewAuthority(t)
	server := ca.Issue(t, "127.0.0.1")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM)
	client := func(shows ...certificate.Pair) *http.Client {
		config := &tls.Config{RootCAs: pool}
		for _, pair := range shows {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair.TLS, nil }
		}
		return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
	}
	for _, c := range []struct{ secret, protocol string }{{"tls", "http"}, {"tls", "tcp"}, {"mtls", "http"}, {"mtls", "tcp"}} {
		p := newProxy(t, map[string]string{"upstream-port": port, "protocol": c.protocol, c.secret + "-secret": "s"})
		p.write(c.secret+"/tls.pem", string(server.Certificate))
		p.write(c.secret+"/tls.pem.key", string(server.Key))
		p.write(c.secret+"/ca.crt", string(ca.PEM))
		p.start()
		p.ready()
		https := strings.Replace(p.url, "http:", "https:", 1)
		known, name := client(ca.Issue(t, "shop")), ""
		if c == (struct{ secret, protocol string }{"mtls", "http"}) {
			name = "shop"
		}
		if status, body := get(known, https); status != http.StatusOK || body != "app / "+name {
			t.Errorf("%v: a known client gets %d %q", c, status, body)
		}
		for who, stranger := range map[string]*http.Client{"nobody": client(), "a stranger": client(other.Issue(t, "shop"))} {
			status, body := get(stranger, https)
			if refused := status == 0; refused != (c.secret == "mtls") {
				t.Errorf("%v: %s gets %d %q", c, who, status, body)
			}
		}
		if status, body := get(fresh(), p.url); status == http.StatusOK {
			t.Errorf("%v: without TLS comes %d %q", c, status, body)
		}
		p.process.kill()
	}
}

// TestDrain ends the proxy, by the signal that its image names, with requests under way: they are answered whole, new ones are
// not taken any more, and the proxy ends by itself.
func TestDrain(t *testing.T) {
	t.Parallel()
	app, port := local(t)
	nginx(t, "app", app)
	p := newProxy(t, map[string]string{"upstream-port": port})
	p.start()
	p.ready()
	answers := make(chan int, 10)
	for range cap(answers) {
		go func() {
			_, body := get(fresh(), p.url+"/slow/file")
			answers <- len(body)
		}()
	}
	eventually(t, "the requests are under way", func() bool { return p.metric("haproxy_server_current_sessions", `proxy="app"`) == 10 })
	p.drain("no new request is taken", func() bool { status, _ := get(fresh(), p.url); return status == 0 })
	if len(answers) > 0 {
		t.Error("the requests were over before the proxy was told to end")
	}
	for range cap(answers) {
		if n := <-answers; n != 100_000 {
			t.Errorf("an answer has %d bytes, want 100000", n)
		}
	}
	eventually(t, "the proxy has ended", p.process.hasEnded)
}

// TestReload changes what confd would, under load: no request fails.
func TestReload(t *testing.T) {
	t.Parallel()
	first, firstPort := local(t)
	second, _ := local(t)
	listen, _ := local(t)
	nginx(t, "first", first)
	nginx(t, "second", second)
	p := newProxy(t, map[string]string{"mode": "both", "upstream-port": firstPort})
	section := func(server string) {
		p.write("conf.d/a.cfg", "listen a from written\n  bind "+listen+"\n  server a "+server+" check\n")
	}
	section(first)
	p.start()
	p.ready()
	eventually(t, "the section works", func() bool { status, _ := get(fresh(), "http://"+listen); return status == http.StatusOK })
	load := newLoad(4, "http://"+listen)
	for round := range 10 {
		name, server := "second", second
		if round%2 == 1 {
			name, server = "first", first
		}
		section(server)
		p.reload(func() bool { _, body := get(fresh(), "http://"+listen); return strings.HasPrefix(body, name+" ") })
	}
	good, failed, why := load.end()
	t.Logf("10 reloads, %d requests", good)
	if failed > 0 || good < 100 {
		t.Errorf("%d of %d requests failed, the first with %q", failed, good+failed, why)
	}
}

// reload asks for a reload until it is seen: HAProxy ignores the signal while it is still busy with the one before.
func (p *proxy) reload(done func() bool) {
	p.t.Helper()
	var asked time.Time
	eventually(p.t, "the new configuration is in force", func() bool {
		if time.Since(asked) > time.Second {
			asked = time.Now()
			p.process.signal(syscall.SIGUSR2)
		}
		return done()
	})
}

// drain tells the proxy to end until that is seen: HAProxy's master, which starts itself anew once its worker runs, may miss a signal
// at that moment.
func (p *proxy) drain(what string, done func() bool) {
	p.t.Helper()
	var asked time.Time
	eventually(p.t, what, func() bool {
		if time.Since(asked) > time.Second {
			asked = time.Now()
			p.process.signal(syscall.SIGUSR1)
		}
		return done()
	})
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "s") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	nginx(t, "app", "unix:"+filepath.Join(dir, "app.sock"))
	p := newProxy(t, map[string]string{"upstream-socket": "app.sock", "socket-directory": dir})
	p.start()
	p.ready()
	if status, body := get(fresh(), p.url+"/x"); status != http.StatusOK || body != "app /x " {
		t.Errorf("through the socket comes %d %q", status, body)
	}
}
