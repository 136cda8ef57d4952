package webhook

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	crwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/program"
)

// serving is a server of the tests with a self-signed certificate, and its client.
type serving struct {
	*Server
	drain   *Drain
	metrics *Metrics
	dir     string
	log     *logBuffer
	client  *http.Client
	// stop tells the server to stop and gives what Start returned.
	stop func() error
}

func serve(t *testing.T, drain *Drain, handler http.Handler) *serving {
	t.Helper()
	s := &serving{drain: drain, metrics: NewMetrics(), dir: t.TempDir()}
	var log *slog.Logger
	log, s.log = newLog(slog.LevelInfo)
	renew(t, s.dir)
	var err error
	s.Server, err = NewServer(ServerOptions{Address: "127.0.0.1:0", CertDir: s.dir, Drain: drain, Log: log, Metrics: s.metrics})
	if err != nil {
		t.Fatal(err)
	}
	var _ crwebhook.Server = s.Server
	s.Register(PathMutate, handler)
	s.client = clientFor(t, s.dir, true)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	s.stop = func() error { cancel(); err := <-ended; ended <- err; return err }
	t.Cleanup(func() {
		s.client.CloseIdleConnections() // an idle HTTP/2 connection would be waited for
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	// Connections wait until the server serves; so an answer says that it does.
	res, err := s.client.Get(s.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return s
}

// renew puts a new self-signed certificate into dir.
func renew(t *testing.T, dir string) {
	t.Helper()
	files, err := certs.SelfSigned([]string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := files.WriteTo(dir); err != nil {
		t.Fatal(err)
	}
}

func trust(t *testing.T, dir string) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(dir, certs.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

func clientFor(t *testing.T, dir string, http2 bool) *http.Client {
	transport := &http.Transport{TLSClientConfig: trust(t, dir), ForceAttemptHTTP2: http2}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (s *serving) url(path string) string { return "https://" + s.Addr().String() + path }

func shortDrain() *Drain { return NewDrain(time.Millisecond, time.Second, NewMetrics()) }

func TestServerAnswersReviewsOverBothHTTPsWithTheCertificateOfItsDirectory(t *testing.T) {
	s := serve(t, shortDrain(), NewHandler(testOptions(t)))
	for version, client := range map[int]*http.Client{1: clientFor(t, s.dir, false), 2: s.client} {
		res, err := client.Post(s.url(PathMutate+"?timeout=2s"), "application/json", strings.NewReader(reviewOf("")))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.Body.Close() != nil {
			t.Fatal(err)
		}
		want := head + `"allowed":true` + tail
		if diff := cmp.Diff(want, string(body)); diff != "" || res.ProtoMajor != version || res.TLS.Version != tls.VersionTLS13 {
			t.Errorf("HTTP/%d, want %d (-want +got):\n%s", res.ProtoMajor, version, diff)
		}
	}
	if got := value(t, s.metrics.notAfter); time.Until(time.Unix(int64(got), 0)).Round(time.Hour) != 24*time.Hour {
		t.Errorf("pillion_certificate_not_after_seconds is %v", got)
	}
	if note, err := s.Check().Run(); err != nil || !strings.HasPrefix(note, "localhost 127.0.0.1, valid until ") {
		t.Errorf("readiness: %q, %v", note, err)
	}
	if err := s.StartedChecker()(nil); err != nil {
		t.Error(err)
	}
}

func TestAdmissionPortServesAdmissionOnly(t *testing.T) {
	s := serve(t, shortDrain(), NewHandler(testOptions(t)))
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/debug/pprof/", PathMutate + "/"} {
		res, err := s.client.Get(s.url(path))
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

func TestServerRefusesOldTLSAndLongHeaders(t *testing.T) {
	s := serve(t, shortDrain(), NewHandler(testOptions(t)))
	old := trust(t, s.dir)
	old.MaxVersion = tls.VersionTLS12
	if conn, err := tls.Dial("tcp", s.Addr().String(), old); err == nil {
		conn.Close()
		t.Error("TLS 1.2 is accepted")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url(PathMutate), strings.NewReader(reviewOf("")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Long", strings.Repeat("x", 40<<10))
	res, err := clientFor(t, s.dir, false).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 40 KiB gets %d", res.StatusCode)
	}
}

// A body that stops arriving is answered, undecided, before the API server gives up, on either HTTP.
func TestABodyThatStopsArrivingIsAnsweredInTime(t *testing.T) {
	s := serve(t, shortDrain(), NewHandler(testOptions(t)))
	for version, client := range map[int]*http.Client{1: clientFor(t, s.dir, false), 2: s.client} {
		t.Run(fmt.Sprint("HTTP/", version), func(t *testing.T) {
			ours, theirs := io.Pipe()
			defer theirs.Close()
			go func() { _, _ = theirs.Write([]byte(reviewOf("alpha")[:400])) }()
			begin := time.Now()
			res, err := client.Post(s.url(PathMutate+"?timeout=300ms"), "application/json", ours)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			line, err := bufio.NewReader(res.Body).ReadString('}')
			if err != nil || !strings.Contains(line, `"uid":"u-1","allowed":true`) {
				t.Errorf("%v: %s", err, line)
			}
			if took := time.Since(begin); took > 4*time.Second {
				t.Errorf("answered after %s", took)
			}
		})
	}
}

func TestServerTakesUpANewCertificateAndKeepsTheOldOneForABadOne(t *testing.T) {
	s := serve(t, shortDrain(), NewHandler(testOptions(t)))
	s.log.await(t, `"msg":"certificate"`)
	old := clientFor(t, s.dir, false)
	if err := os.WriteFile(filepath.Join(s.dir, certs.CertFile), []byte("half a certif"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.certificate.watcher.Load().ReadCertificate(); err == nil {
		t.Error("half a certificate is no error")
	}
	if _, err := s.served(); err != nil {
		t.Errorf("the old certificate is not served: %v", err)
	}
	ahead := t.TempDir()
	renew(t, ahead)
	ca, err := os.ReadFile(filepath.Join(ahead, certs.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.dir, certs.CAFile, string(ca))
	if note, err := s.Check().Run(); err != nil || !strings.Contains(note, "\nnot trusted by ca.crt: ") {
		t.Errorf("readiness while the new CA is there and the old chain is served: %q, %v", note, err)
	}
	renew(t, s.dir)
	if err := s.certificate.watcher.Load().ReadCertificate(); err != nil {
		t.Fatal(err)
	}
	if note, err := s.Check().Run(); err != nil || strings.Contains(note, "not trusted") {
		t.Errorf("readiness with the new chain: %q, %v", note, err)
	}
	if _, err := old.Get(s.url(PathMutate)); err == nil {
		t.Error("the old CA still vouches for what is served")
	}
	res, err := clientFor(t, s.dir, false).Get(s.url(PathMutate))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}

func TestServerThatIsNotStartedIsNotReady(t *testing.T) {
	dir := t.TempDir()
	renew(t, dir)
	s, err := NewServer(ServerOptions{Address: "127.0.0.1:0", CertDir: dir, Drain: shortDrain(), Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.listener.Close()
	if _, err := s.Check().Run(); err == nil || err.Error() != "the admission port is not served yet" {
		t.Errorf("got %v", err)
	}
}

func TestServerNeedsACertificateDirectoryAndAPort(t *testing.T) {
	o := ServerOptions{Address: "127.0.0.1:0", CertDir: t.TempDir(), Drain: shortDrain(), Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics()}
	o.CertDir = filepath.Join(t.TempDir(), "none")
	if _, err := NewServer(o); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	o.CertDir = t.TempDir()
	renew(t, o.CertDir)
	o.Address = "127.0.0.1:99999"
	if _, err := NewServer(o); err == nil || !strings.HasPrefix(err.Error(), "admission port: ") {
		t.Errorf("no port: %v", err)
	}
}

func TestOpsPortServesHealthReadinessAndMetrics(t *testing.T) {
	m := NewMetrics()
	o, err := program.OpenOps("127.0.0.1:0", NewReadiness(), m.Handler(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Start(ctx) }()
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ok\n", "/metrics": "# HELP go_gc_", PathMutate: "404 page not found\n"} {
		res, err := http.Get("http://" + o.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.Body.Close() != nil || !strings.HasPrefix(string(body), want) {
			t.Errorf("%s: %v, %.40q", path, err, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
