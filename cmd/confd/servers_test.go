package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/confd/etcdtest"
)

// reconfigurations are how often a server is configured anew under load.
func reconfigurations() int {
	if os.Getenv("PILLION_PROVE") == "1" {
		return 100
	}
	return 10
}

const nginxMain = `daemon off;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
    include %[1]s/conf.d/*.conf;
}
`

const nginxTemplate = `upstream shop {
{{- range getvs "/upstreams/*" }}
    server {{ . }};
{{- else }}
    server 127.0.0.1:9 down;
{{- end }}
}
server {
    listen 127.0.0.1:{{ getenv "TEST_PORT" }};
    add_header X-Version {{ getv "/version" }};
    location / { proxy_pass http://shop; }
}
`

const haproxyMain = `global
    master-worker
    stats socket %[1]s/admin.sock expose-fd listeners level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
`

const haproxyTemplate = `frontend in
    bind 127.0.0.1:{{ getenv "TEST_PORT" }}
    http-response set-header X-Version {{ getv "/version" }}
    default_backend shop
backend shop
{{- range gets "/upstreams/*" }}
    server {{ base .Key }} {{ .Value }}
{{- end }}
`

// server is one that is reconfigured: a program and how it is told.
type server struct {
	program, main, template, dest, signal string
	args                                  func(dir string) []string
}

func TestNginxIsReconfiguredWithoutAFailedRequest(t *testing.T) {
	reconfigure(t, server{
		program: "nginx", main: nginxMain, template: nginxTemplate, dest: "shop.conf", signal: "SIGHUP",
		args: func(dir string) []string { return []string{"-p", dir, "-c", dir + "/main"} },
	})
}

func TestHAProxyIsReconfiguredWithoutAFailedRequest(t *testing.T) {
	reconfigure(t, server{
		program: "haproxy", main: haproxyMain, template: haproxyTemplate, dest: "shop.cfg", signal: "SIGUSR2",
		args: func(dir string) []string { return []string{"-W", "-f", dir + "/main", "-f", dir + "/conf.d"} },
	})
}

// reconfigure adds and removes endpoints in etcd while a server that confd configures serves connections old and new.
func reconfigure(t *testing.T, s server) {
	etcd := etcdtest.Start(t, 1, false)
	client := etcd.Client()
	var endpoints []string
	for i := range 3 {
		one := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "endpoint %d", i) }))
		t.Cleanup(one.Close)
		endpoints = append(endpoints, strings.TrimPrefix(one.URL, "http://"))
	}
	client.Set("/demo/shop/upstreams/e0", endpoints[0], "/demo/shop/version", "0", "/other/upstreams/e9", "192.0.2.1:1")

	dir, port := t.TempDir(), freePort(t)
	must(t, os.Mkdir(filepath.Join(dir, "conf.d"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "main"), fmt.Appendf(nil, s.main, dir), 0o644))
	t.Setenv("TEST_PORT", fmt.Sprint(port))
	// A name that no other process of this machine has.
	name := fmt.Sprintf("%.3s%d", s.program, os.Getpid())
	confdir := folders(t, fmt.Sprintf("[template]\nsrc = 'one.tmpl'\ndest = '%s/conf.d/%s'\nkeys = ['/upstreams', '/version']\n", dir, s.dest), s.template)
	r := start(t, fmt.Sprintf("backend = 'etcd'\nconfdir = '%s'\ndirectories = ['%s/conf.d']\n[etcd]\nnodes = ['%s']\n[reload.signal]\nprocess = '%s'\nsignal = '%s'\n",
		confdir, dir, etcd.URLs()[0], name, s.signal), "--etcd-prefix", "/demo/shop")
	r.ready() // the startup probe: only now the app starts
	serve(t, s, name, dir)
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	eventually(t, "the server answers", func() bool { v, err := configured(http.DefaultClient, url); return err == nil && v == "0" })

	load := startLoad(url)
	var took []time.Duration
	for i := 1; i <= reconfigurations(); i++ {
		key, began := fmt.Sprintf("/demo/shop/upstreams/e%d", 1+i/2%2), time.Now()
		if i%2 == 1 {
			client.Set(key, endpoints[1+i/2%2])
		} else {
			client.Unset(fmt.Sprintf("/demo/shop/upstreams/e%d", 1+(i-1)/2%2))
		}
		client.Set("/demo/shop/version", fmt.Sprint(i))
		eventually(t, "the server has the new configuration", func() bool {
			v, err := configured(load.fresh, url)
			return err == nil && v == fmt.Sprint(i)
		})
		took = append(took, time.Since(began))
	}
	requests, connections, failed := load.stop()
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed, the first: %s", len(failed), requests, failed[0])
	}
	slices.Sort(took)
	t.Logf("%d reconfigurations: %d requests on %d new connections, %d failed; from key to answer: median %s, longest %s",
		len(took), requests, connections, len(failed), took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	if requests < int64(len(took)) {
		t.Errorf("%d requests are no load", requests)
	}
	if n := r.metric(`confd_reloads_total{kind="signal",result="failed"}`); n != 0 {
		t.Errorf("%v reloads failed: %s", n, r.said())
	}
	only := []string{s.dest}
	if got := names(t, filepath.Join(dir, "conf.d")); !slices.Equal(got, only) {
		t.Errorf("the directory has %q, want %q", got, only)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "conf.d", s.dest)); err != nil || strings.Contains(string(text), "192.0.2.1") {
		t.Errorf("the file has a key from outside the prefix, or is not there: %v", err)
	}
}

// serve starts the server under a name of its own.
func serve(t *testing.T, s server, name, dir string) {
	t.Helper()
	path, err := exec.LookPath(s.program)
	if err != nil {
		path = "/usr/sbin/" + s.program // which a user's PATH has not
	}
	link := filepath.Join(t.TempDir(), name)
	must(t, os.Symlink(path, link))
	cmd := exec.Command(link, s.args(dir)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	log, err := os.Create(filepath.Join(dir, "log"))
	must(t, err)
	cmd.Stdout, cmd.Stderr = log, log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s said: %s", s.program, text)
		}
	})
}

func configured(c *http.Client, url string) (string, error) {
	res, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %s", res.Status)
	}
	return res.Header.Get("X-Version"), nil
}

// load asks a server on kept connections and on new ones, until it is stopped.
type load struct {
	fresh                 *http.Client
	end                   chan struct{}
	group                 sync.WaitGroup
	requests, connections atomic.Int64

	mu     sync.Mutex
	failed []string
}

func startLoad(url string) *load {
	l := &load{fresh: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}, end: make(chan struct{})}
	for i := range 4 {
		client := l.fresh
		if i%2 == 0 {
			client = &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
		}
		l.group.Go(func() {
			tick := time.NewTicker(8 * time.Millisecond) // 250 requests a second in all for each pair
			defer tick.Stop()
			for {
				select {
				case <-l.end:
					return
				case <-tick.C:
				}
				l.requests.Add(1)
				if client == l.fresh {
					l.connections.Add(1)
				}
				if _, err := configured(client, url); err != nil {
					l.mu.Lock()
					l.failed = append(l.failed, err.Error())
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

func (l *load) stop() (requests, connections int64, failed []string) {
	close(l.end)
	l.group.Wait()
	return l.requests.Load(), l.connections.Load(), l.failed
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
