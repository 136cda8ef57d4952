package adapter

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// debian finds a program of Debian's package prometheus.
func debian(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("this test needs %s: run `make setup`, or apt-get install prometheus", program)
	}
	return path
}

// merged is an adapter of an app that speaks Prometheus' text, one that speaks OpenMetrics alone, and a page.
func merged(t *testing.T) string {
	t.Helper()
	web := serve(t, map[string]string{
		"/metrics": "# HELP shop_requests_total Requests.\n# TYPE shop_requests_total counter\nshop_requests_total{code=\"200\"} 7\n" +
			"# HELP shop_seconds Times.\n# TYPE shop_seconds histogram\nshop_seconds_bucket{le=\"0.1\"} 1\nshop_seconds_bucket{le=\"+Inf\"} 2\nshop_seconds_sum 1\nshop_seconds_count 2\n",
		"/status": `{"queues": {"mail": 3, "sms": 4}}`,
	})
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
		fmt.Fprint(w, "# HELP shop_requests Requests.\n# TYPE shop_requests counter\nshop_requests_total{code=\"500\"} 2 1520879607.789 # {trace_id=\"a\"} 1\n# EOF\n")
	}))
	t.Cleanup(open.Close)
	_, url := start(t, fmt.Sprintf(`
interval: 200ms
metrics:
  - {name: web, url: "%s/metrics"}
  - {name: open, url: %q}
pages:
  - name: page
    url: "%s/status"
    metrics: [{name: shop_queue_items, at: "/queues/*", labels: {queue: $1}, help: Items that wait.}]
health: {rules: [{name: r, check: sum('shop_queue_items') < 10}]}
`, web, open.URL, web))
	return url
}

func TestPromtoolFindsNothingToBlame(t *testing.T) {
	_, _, body := get(t, merged(t)+"/metrics")
	cmd := exec.Command(debian(t, "promtool"), "check", "metrics")
	cmd.Stdin = strings.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s\n%s", err, out, body)
	}
}

// TestPrometheusScrapesOneTarget has a real Prometheus scrape the adapter, in OpenMetrics as it asks, and asks it for metrics
// of every source.
func TestPrometheusScrapesOneTarget(t *testing.T) {
	program, target := debian(t, "prometheus"), strings.TrimPrefix(merged(t), "http://")
	dir := write(t, map[string]string{"prometheus.yml": fmt.Sprintf(
		"global: {scrape_interval: 200ms, scrape_timeout: 200ms}\nscrape_configs: [{job_name: shop, honor_labels: true, static_configs: [{targets: [%q]}]}]\n", target)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/data", "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // or it ended already, and the test failed
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s", text)
		}
	})
	for query, want := range map[string]string{
		`sum(shop_requests_total)`:                                "9",
		`shop_requests_total{source="open",code="500"}`:           "2",
		`shop_queue_items{source="page",queue="sms"}`:             "4",
		`shop_seconds_count{source="web"}`:                        "2",
		`histogram_quantile(0.5, shop_seconds_bucket)`:            "0.1",
		`adapter_rule_state{rule="r",verdict="holds"}`:            "1",
		`count(count by (instance) (shop_requests_total))`:        "1",
		`sum(adapter_source_up)`:                                  "3",
		`adapter_source_conflicts{source="open"}`:                 "0",
		`go_info{source="adapter"}`:                               "1",
		`count({__name__=~"shop.*", source=""}) or vector(0)`:     "0",
		`max_over_time(up[1m])`:                                   "1",
		`scrape_samples_post_metric_relabeling > bool 20`:         "1",
		`count by (job) (shop_requests_total{source=~"web|.*n"})`: "2",
	} {
		var got string
		eventually(t, query+" is "+want, func() bool {
			res, err := http.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(query))
			if err != nil {
				return false
			}
			defer res.Body.Close()
			var answer struct {
				Data struct{ Result []struct{ Value []any } }
			}
			if json.NewDecoder(res.Body).Decode(&answer) != nil || len(answer.Data.Result) != 1 {
				return false
			}
			got, _ = answer.Data.Result[0].Value[1].(string)
			return got == want
		})
	}
}
