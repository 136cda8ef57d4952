package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pillion-dev/pillion/program/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m, main) }

// process is a running pillion-webhook.
type process struct {
	cmd          *exec.Cmd
	webhook, ops string
	roots        *x509.CertPool
	mu           sync.Mutex
	log          bytes.Buffer
	exited       chan struct{}
	exit         error
}

// launch runs pillion-webhook with the given flags on free ports of the loopback interface, until the test ends.
func launch(t *testing.T, flags ...string) *process {
	t.Helper()
	p := &process{exited: make(chan struct{}), roots: x509.NewCertPool()}
	p.cmd = programtest.Command(context.Background(), append([]string{"--listen-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0"}, flags...)...)
	p.cmd.Env = append(p.cmd.Env, "TMPDIR="+t.TempDir())
	out, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd.Stdout = out
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended by itself
		<-p.exited
	})
	serving := make(chan bool)
	go p.follow(stderr, serving)
	select {
	case <-serving:
	case <-p.exited:
		return p
	}
	ca, err := os.ReadFile(out.Name())
	if err != nil || !p.roots.AppendCertsFromPEM(ca) {
		t.Fatalf("no CA on standard output: %v, %q", err, ca)
	}
	return p
}

// follow keeps the log, takes the addresses from the line "serving", and waits for the end.
func (p *process) follow(stderr io.Reader, serving chan<- bool) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		p.mu.Lock()
		p.log.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		var line struct{ Msg, WebhookAddress, MetricsAddress string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			p.webhook, p.ops = "https://"+line.WebhookAddress, "http://"+line.MetricsAddress
			close(serving)
		}
	}
	p.exit = p.cmd.Wait()
	close(p.exited)
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *process) client(t *testing.T, http2 bool) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: http2}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

const review = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1",` +
	`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},` +
	`"namespace":"shop","operation":"CREATE","object":{"metadata":{"name":"web"},"spec":{"containers":[{"name":"app","image":"app"}]}}}}`

const allowed = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u-1","allowed":true}}`

// read gives status and body, and leaves the connection fit for the next request.
func read(res *http.Response, err error) (int, string, error) {
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func TestSelfSignedWebhookServesByTheCAItPrints(t *testing.T) {
	p := launch(t, "--drain-quiet=1ms")
	if status, body, err := read(p.client(t, true).Post(p.webhook+"/mutate?timeout=2s", "application/json", strings.NewReader(review))); err != nil || status != 200 || body != allowed {
		t.Errorf("%v %d %s", err, status, body)
	}
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ok\n"} {
		if status, body, err := read(http.Get(p.ops + path)); err != nil || status != 200 || body != want {
			t.Errorf("%s: %v %d %s", path, err, status, body)
		}
	}
	if _, body, err := read(http.Get(p.ops + "/metrics")); err != nil || !strings.Contains(body, `pillion_admission_requests_total{outcome="skipped",reason="notRequested",sidecar=""} 1`) {
		t.Errorf("metrics: %v\n%s", err, body)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	if p.exit != nil {
		t.Errorf("%v\n%s", p.exit, p.logged())
	}
	if left, err := filepath.Glob(filepath.Join(p.tmp(), "pillion-tls-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func (p *process) tmp() string {
	for _, e := range p.cmd.Env {
		if dir, ok := strings.CutPrefix(e, "TMPDIR="); ok {
			return dir
		}
	}
	return ""
}

func TestWebhookThatCannotServeSaysWhyAndEnds(t *testing.T) {
	bad := t.TempDir()
	for _, name := range []string{"a.yaml", "b.yaml"} {
		if err := os.WriteFile(filepath.Join(bad, name), []byte("kind: Nothing\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		flag string
		want []string
	}{
		{"bad flag", "--drain-quiet=0s", []string{"want 0 < quiet <= max"}},
		{"bad catalog", "--catalog=" + bad, []string{`"msg":"exit"`, "a.yaml:1", "b.yaml:1"}},
		{"no certificate directory", "--tls-dir=" + bad + "/none", []string{`"msg":"exit"`, "none: no such file"}},
		{"no kubeconfig", "--kubeconfig=" + bad + "/none", []string{`"msg":"exit"`, "none: no such file"}},
		{"no port", "--metrics-address=127.0.0.1:99999", []string{`"msg":"exit"`, "metrics port: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := launch(t, c.flag)
			<-p.exited
			for _, want := range c.want {
				if !strings.Contains(p.logged(), want) {
					t.Errorf("no %q in: %s", want, p.logged())
				}
			}
			if p.exit == nil {
				t.Error("exit status 0")
			}
		})
	}
}
