package pays

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// startApp is nginx with a small page, and a page of metrics; it gives the port.
func startApp(t *testing.T) (port string) {
	t.Helper()
	port = freePort(t)
	startNginx(t, `access_log off; server { listen 127.0.0.1:`+port+`; default_type text/plain;
    location / { return 200 "the shop\n"; }
    location = /metrics { return 200 "# TYPE queue_depth gauge\nqueue_depth 3\n"; } }`)
	answers(t, "http://127.0.0.1:"+port)
	return port
}

func startNginx(t *testing.T, server string) *process {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log stderr warn;
events { worker_connections 1024; }
http { keepalive_requests 1000000;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  %[2]s }`, dir, server))
	return run(t, nil, "nginx", "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf"))
}

// proxy is the entry's HAProxy in front of the app.
func proxy(t *testing.T, app string) *part {
	port, metrics := freePort(t), freePort(t)
	p, _ := beside(t, "proxy", map[string]string{"upstream-port": app, "port": port, "metrics-port": metrics}, "haproxy", "/etc/haproxy/haproxy.cfg")
	answers(t, "http://127.0.0.1:"+metrics+"/ready")
	url := "http://127.0.0.1:" + port
	return &part{name: "proxy", process: p, url: url, probes: []string{"http://127.0.0.1:" + metrics + "/ready"}, work: func() { requests(t, url, work) }}
}

// nginxProxy is nginx as its manual shows a reverse proxy, which logs every request and connects to the app for each; tuned, it
// does neither, as the proxy does by default.
func nginxProxy(t *testing.T, app string, tuned bool) *part {
	port := freePort(t)
	name, server := "nginx, reverse proxy", `access_log access.log;
  server { listen 127.0.0.1:`+port+`; location / { proxy_pass http://127.0.0.1:`+app+`; } }`
	if tuned {
		name, server = "nginx, tuned", `access_log off; upstream app { server 127.0.0.1:`+app+`; keepalive 16; }
  server { listen 127.0.0.1:`+port+`; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } }`
	}
	p := startNginx(t, server)
	url := "http://127.0.0.1:" + port
	answers(t, url)
	return &part{name: name, process: p, reference: true, url: url, work: func() { requests(t, url, work) }}
}

// requests asks for a page one after the other over one connection, and gives how long each took.
func requests(t *testing.T, url string, n int) []time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	took := make([]time.Duration, 0, n)
	for range n {
		began := time.Now()
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", url, res.Status, err)
		}
		took = append(took, time.Since(began))
	}
	client.CloseIdleConnections()
	return took
}

// TestLatencyAdded asks the app directly, through the proxy and through nginx, in turns, so that whatever else the machine does
// falls on all. Of every figure the best round counts.
func TestLatencyAdded(t *testing.T) {
	app := startApp(t)
	urls := map[string]string{
		"direct": "http://127.0.0.1:" + app, "proxy": proxy(t, app).url, "nginx": nginxProxy(t, app, false).url, "nginx, tuned": nginxProxy(t, app, true).url,
	}
	best := map[string][2]time.Duration{}
	for range 15 {
		for _, name := range []string{"direct", "proxy", "nginx", "nginx, tuned"} {
			took := requests(t, urls[name], 1000)
			slices.Sort(took)
			now := [2]time.Duration{took[len(took)/2], took[len(took)*99/100]}
			if was, ok := best[name]; ok {
				now = [2]time.Duration{min(was[0], now[0]), min(was[1], now[1])}
			}
			best[name] = now
		}
	}
	for i, figure := range []string{"median", "p99"} {
		direct, proxy, nginx, tuned := best["direct"][i], best["proxy"][i], best["nginx"][i], best["nginx, tuned"][i]
		t.Logf("%s: %s direct; the proxy adds %s, nginx %s, tuned %s", figure, direct, proxy-direct, nginx-direct, tuned-direct)
		if proxy > nginx {
			t.Errorf("%s: %s through the proxy, %s through nginx", figure, proxy, nginx)
		}
	}
}
