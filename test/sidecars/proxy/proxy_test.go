// Package proxy runs HAProxy with the configuration that the entry proxy makes, in front of and behind real servers.
package proxy

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/sidecars/inject"
)

// proxy is an HAProxy whose Pod is a folder.
type proxy struct {
	t       *testing.T
	dir     string
	args    []string
	url     string // of the reverse port
	metrics string
	process *process
}

// newProxy injects the proxy, with free ports for its own. Nothing runs yet.
func newProxy(t *testing.T, parameters map[string]string) *proxy {
	t.Helper()
	port, metrics := freePort(t), freePort(t)
	set := map[string]string{"port": strconv.Itoa(port), "metrics-port": strconv.Itoa(metrics)}
	maps.Copy(set, parameters)
	sidecar, err := inject.New("proxy", set)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, dir: t.TempDir(), url: fmt.Sprintf("http://127.0.0.1:%d", port), metrics: fmt.Sprintf("http://127.0.0.1:%d", metrics)}
	p.write("haproxy.cfg", p.here(sidecar.Files["haproxy"]))
	p.write("conf.d/none.cfg", "")
	for _, arg := range sidecar.Container.Args {
		p.args = append(p.args, p.here(arg))
	}
	return p
}

// here replaces the paths of the container by those of the folder, and all addresses by this machine's own.
func (p *proxy) here(text string) string {
	return strings.NewReplacer("/etc/haproxy", p.dir, "0.0.0.0:", "127.0.0.1:").Replace(text)
}

func (p *proxy) write(name, text string) {
	p.t.Helper()
	at := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// start runs the proxy and waits for what its startup probe asks.
func (p *proxy) start() {
	p.t.Helper()
	p.process = run(p.t, system("haproxy"), p.args...)
	eventually(p.t, "the proxy is healthy", func() bool {
		if p.process.hasEnded() {
			p.t.Fatalf("haproxy ended:\n%s", p.process.output.String())
		}
		status, _ := get(http.DefaultClient, p.metrics+"/healthz")
		return status == http.StatusOK
	})
}

// ready waits for what its readiness probe asks.
func (p *proxy) ready() {
	p.t.Helper()
	eventually(p.t, "the app is up", func() bool { status, _ := get(http.DefaultClient, p.metrics+"/ready"); return status == http.StatusOK })
}

// metric sums a metric's samples that have each of the labels.
func (p *proxy) metric(name string, labels ...string) (total float64) {
	p.t.Helper()
	_, body := get(http.DefaultClient, p.metrics+"/metrics")
	for line := range strings.Lines(body) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if !strings.HasPrefix(series, name+"{") {
			continue
		}
		fits := true
		for _, label := range labels {
			fits = fits && strings.Contains(series, label)
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil && fits {
			total += v
		}
	}
	return total
}

// process is a program that ends with the test.
type process struct {
	cmd    *exec.Cmd
	ended  chan struct{}
	output bytes.Buffer
}

func run(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() { p.kill() })
	return p
}

// kill ends the program and all that it started, at once.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

func (p *process) signal(which syscall.Signal) { _ = p.cmd.Process.Signal(which) }

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// system finds a program of Debian's, whose folder is not in everyone's path.
func system(name string) string {
	if at, err := exec.LookPath(name); err == nil {
		return at
	}
	return "/usr/sbin/" + name
}

// nginx runs a server that answers its name; "/slow" takes a second.
func nginx(t *testing.T, name string, address string) *process {
	t.Helper()
	dir := t.TempDir()
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr warn; worker_rlimit_nofile 4096;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen %[2]s; default_type text/plain; root %[1]s/www;
    location / { return 200 "%[3]s $request_uri $http_x_ssl_client_cn"; }
    location /slow/ { alias %[1]s/www/; limit_rate 50k; } }
}`, dir, address, name)
	at := filepath.Join(dir, "nginx.conf")
	if err := os.MkdirAll(filepath.Join(dir, "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{at: config, filepath.Join(dir, "www", "file"): strings.Repeat("x", 100_000)} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := run(t, system("nginx"), "-e", "stderr", "-c", at)
	eventually(t, "nginx listens at "+address, func() bool {
		if p.hasEnded() {
			t.Fatalf("nginx ended:\n%s", p.output.String())
		}
		network, to := "tcp", address
		if path, ok := strings.CutPrefix(address, "unix:"); ok {
			network, to = "unix", path
		}
		conn, err := net.Dial(network, to)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return p
}

// local is an address with a free port.
func local(t *testing.T) (address, port string) {
	t.Helper()
	port = strconv.Itoa(freePort(t))
	return "127.0.0.1:" + port, port
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// get reads a page; the status is 0 where no answer came.
func get(client *http.Client, url string) (status int, body string) {
	res, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

// fresh is a client that connects anew for every request.
func fresh() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// load asks for a page again and again, from as many clients, until stop; it counts what came.
type load struct {
	mu           sync.Mutex
	good, failed int
	first        string // failure
	stop         chan struct{}
	done         sync.WaitGroup
}

func newLoad(clients int, url string) *load {
	l := &load{stop: make(chan struct{})}
	for range clients {
		l.done.Go(func() {
			client := fresh()
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				status, body := get(client, url)
				l.mu.Lock()
				if status == http.StatusOK {
					l.good++
				} else if l.failed++; l.first == "" {
					l.first = fmt.Sprint(status, " ", body)
				}
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) counts() (good, failed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.good, l.failed
}

func (l *load) end() (good, failed int, first string) {
	close(l.stop)
	l.done.Wait()
	return l.good, l.failed, l.first
}
