package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// write puts files into a directory of their own and gives it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// serve answers every path with what is written for it, in the content type of Prometheus' text.
func serve(t *testing.T, pages map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// start runs an adapter of a configuration, and gives its address.
func start(t *testing.T, config string) (*Adapter, string) {
	t.Helper()
	dir := write(t, map[string]string{"adapter.yaml": config})
	return startFile(t, filepath.Join(dir, "adapter.yaml"))
}

func startFile(t *testing.T, file string) (*Adapter, string) {
	t.Helper()
	a, err := New(Options{Config: file, Reload: 20 * time.Millisecond, Version: "test", Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the adapter ends with %v", err)
		}
	})
	return a, "http://" + l.Addr().String()
}

func get(t *testing.T, url string, header ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// eventually tries for a while until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("it does not come about that %s", what)
}

// lines are the samples of a page, without the adapter's own.
func lines(body string) []string {
	var out []string
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, `source="adapter"`) && !strings.HasPrefix(line, "adapter_") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func TestSourcesOfEveryKindAreMerged(t *testing.T) {
	pages := map[string]string{"/metrics": "# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total{source=\"x\"} 4\n"}
	dir := write(t, map[string]string{"app.prom": "up_since 5\njobs_total 1\n"})
	socket := filepath.Join(dir, "s.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, `{"depth": [1, {"n": 2}]}`) })) // ends with the listener
	}()
	t.Cleanup(func() { l.Close() })
	_, url := start(t, fmt.Sprintf(`
metrics:
  - {name: web, url: %q}
  - {name: file, file: %q}
  - {name: gone, file: /does/not/exist}
pages:
  - name: page
    socket: %q
    metrics: [{name: depth, at: /depth/1/n, type: counter, scale: 10}]
`, serve(t, pages)+"/metrics", dir+"/app.prom", socket))
	_, header, body := get(t, url+"/metrics")
	want := []string{
		`depth{source="page"} 20`,
		`jobs_total{exported_source="x",source="web"} 4`,
		`jobs_total{source="file"} 1`,
		`up_since{source="file"} 5`,
	}
	if got := lines(body); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", got)
	}
	for _, line := range []string{`adapter_source_up{source="gone"} 0`, `adapter_source_up{source="web"} 1`, `adapter_source_failures_total{reason="connect",source="gone"} 1`, `adapter_source_series{source="web"} 1`, `go_goroutines{source="adapter"} `} {
		if !strings.Contains(body, line) {
			t.Errorf("the page lacks %s", line)
		}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(body)); err != nil {
		t.Errorf("the page cannot be read: %v", err)
	}
}

func TestOpenMetricsIsGivenToWhoAsks(t *testing.T) {
	web := serve(t, map[string]string{"/metrics": "# TYPE jobs_total counter\njobs_total 4\n"})
	_, url := start(t, "metrics: [{name: web, url: \""+web+"/metrics\"}]\n")
	_, header, body := get(t, url+"/metrics", "Accept", "application/openmetrics-text;version=1.0.0")
	if got := header.Get("Content-Type"); !strings.HasPrefix(got, "application/openmetrics-text; version=1.0.0") {
		t.Errorf("content type %q", got)
	}
	if !strings.HasSuffix(body, "\n# EOF\n") || !strings.Contains(body, "# TYPE jobs counter\njobs_total{source=\"web\"} 4.0\n") {
		t.Errorf("got\n%s", body)
	}
	// What it wrote, it can read.
	if _, err := parseMetrics(&answer{body: []byte(body), contentType: header.Get("Content-Type")}, 10_000); err != nil {
		t.Error(err)
	}
}

// TestThoseWhoAskTogetherGetOneRound counts what the app sees of 50 scrapes at once.
func TestThoseWhoAskTogetherGetOneRound(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		<-release
		fmt.Fprintln(w, "a 1")
	}))
	t.Cleanup(app.Close)
	a, url := start(t, "fresh: 1m\ntimeout: 1m\nmetrics: [{name: app, url: \""+app.URL+"\"}]\n")
	bodies := make(chan string, 50)
	for range cap(bodies) {
		go func() {
			res, err := http.Get(url + "/metrics")
			if err != nil {
				bodies <- err.Error()
				return
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			bodies <- string(b)
		}()
	}
	eventually(t, "the app is asked", func() bool { return asked.Load() > 0 })
	close(release)
	for range cap(bodies) {
		if body := <-bodies; !strings.Contains(body, `a{source="app"} 1`) {
			t.Fatalf("got %q", body)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the app was asked %d times, want once", n)
	}
	// One who goes away does not end the round of the others.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.current.Load().gatherer.round(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	long := strings.Repeat("# "+strings.Repeat("x", 100)+"\n", 100)
	var series strings.Builder
	for i := range 300 {
		fmt.Fprintf(&series, "s{n=\"%d\"} 1\n", i)
	}
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(slow.Close)
	away := httptest.NewServer(http.RedirectHandler("http://192.0.2.1/", http.StatusFound))
	t.Cleanup(away.Close)
	web := serve(t, map[string]string{"/long": long, "/many": series.String(), "/few": "few 1\n", "/bad": "a{ 1\n"})
	fifo := t.TempDir() // no regular file
	_, url := start(t, fmt.Sprintf(`
maxAnswerBytes: 9000
maxSeries: 150
timeout: 300ms
metrics:
  - {name: many, url: %[1]q}
  - {name: few, url: %[2]q}
  - {name: bad, url: %[3]q}
  - {name: slow, url: %[4]q}
  - {name: away, url: %[5]q}
  - {name: dir, file: %[6]q}
  - {name: none, url: %[7]q}
`, web+"/many", web+"/few", web+"/bad", slow.URL, away.URL, fifo, web+"/none"))
	_, _, body := get(t, url+"/metrics")
	if got := lines(body); len(got) != 1 || got[0] != `few{source="few"} 1` {
		t.Errorf("got %q", got)
	}
	for source, reason := range map[string]string{"many": reasonSeries, "bad": reasonParse, "slow": reasonTimeout, "away": reasonStatus, "dir": reasonConnect, "none": reasonStatus} {
		if line := fmt.Sprintf("adapter_source_failures_total{reason=%q,source=%q} 1\n", reason, source); !strings.Contains(body, line) {
			t.Errorf("the page lacks %s", line)
		}
	}
	_, url = start(t, fmt.Sprintf("maxAnswerBytes: 9000\nmetrics: [{name: long, url: %q}]\n", web+"/long"))
	if _, _, body := get(t, url+"/metrics"); !strings.Contains(body, `adapter_source_failures_total{reason="too-big",source="long"} 1`) {
		t.Error("an answer that is too long is taken")
	}
}

// TestHealthFollowsTheRules goes through a rule's life by the clock of the rounds.
func TestHealthFollowsTheRules(t *testing.T) {
	var depth atomic.Int64
	var gone atomic.Bool
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if gone.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "queue_depth", depth.Load())
	}))
	t.Cleanup(app.Close)
	_, url := start(t, `
interval: 100ms
metrics: [{name: app, url: "`+app.URL+`"}]
health:
  grace: 500ms
  rules:
    - {name: queue, check: value('queue_depth') < 10, for: 300ms}
    - {name: there, check: up('app')}
`)
	is := func(path string, status int, prefix string) func() bool {
		return func() bool {
			code, _, body := get(t, url+path)
			return code == status && strings.HasPrefix(body, prefix)
		}
	}
	eventually(t, "the rule holds", is("/healthz", 200, "queue: holds\nthere: holds\n"))
	depth.Store(20)
	eventually(t, "it is pending, and still well", is("/healthz", 200, "queue: pending"))
	eventually(t, "it is broken", is("/healthz", 503, "queue: broken"))
	if code, _, body := get(t, url+"/-/ready/app"); code != 503 {
		t.Errorf("the Pod is ready: %d %s", code, body)
	}
	if code, _, _ := get(t, url+"/-/ready/adapter"); code != 200 {
		t.Errorf("the adapter itself is not ready: %d", code)
	}
	depth.Store(0)
	eventually(t, "it holds again", is("/healthz", 200, "queue: holds\n"))
	gone.Store(true)
	eventually(t, "it is unknown: well for the grace, but not ready", func() bool {
		healthy, _, body := get(t, url+"/healthz")
		ready, _, _ := get(t, url+"/-/ready/app")
		return strings.HasPrefix(body, "queue: unknown") && healthy == 503 && ready == 503
	})
	eventually(t, "it is missing", is("/healthz", 503, "queue: missing"))
}

func TestReloadKeepsTheLastGoodConfiguration(t *testing.T) {
	web := serve(t, map[string]string{"/metrics": "a 1\n", "/b": "b 1\n"})
	dir := write(t, map[string]string{})
	put := func(name, text string) {
		t.Helper()
		// At once, as the kubelet replaces the files of a ConfigMap.
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "new"), []byte(text), 0o600), os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
	}
	put("adapter.yaml", "include: "+dir+"/conf-*.yaml\nfresh: 0s\nmetrics: [{name: a, url: \""+web+"/metrics\"}]\n")
	_, url := startFile(t, filepath.Join(dir, "adapter.yaml"))
	has := func(line string) func() bool {
		return func() bool { _, _, body := get(t, url+"/metrics"); return strings.Contains(body, line) }
	}
	if !has(`a{source="a"} 1`)() {
		t.Fatal("a is not served")
	}
	put("conf-1.yaml", "metrics: [{name: b, url: \""+web+"/b\"}]\n")
	eventually(t, "an added file is taken up", has(`b{source="b"} 1`))
	put("conf-1.yaml", "metrics: [{name: b, port: 0}]\n")
	eventually(t, "a mistake is told", has("adapter_config_good{source=\"adapter\"} 0\n"))
	if _, _, body := get(t, url+"/-/status"); !strings.Contains(body, "conf-1.yaml:1: metrics[0].port: must be a whole number from 1 to 65535") {
		t.Errorf("the status does not name the mistake:\n%s", body)
	}
	if !has(`b{source="b"} 1`)() {
		t.Error("what was good is not in use any more")
	}
	if err := os.Remove(filepath.Join(dir, "conf-1.yaml")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the file is gone, and with it the source", func() bool {
		return !has(`source="b"`)() && has("adapter_config_good{source=\"adapter\"} 1\n")()
	})
}
