package pays

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/pillion-dev/pillion/test/sidecars/receiver"
)

// work is how many lines are shipped and how many requests are made where a sidecar is at work.
const work = 20_000

// part is one row of the table.
type part struct {
	name       string
	process    *process
	idle, busy use
	work       func() // nil: it has none but its own interval
	reference  bool
	url        string // where it has one
}

// TestWhatAPodPays starts the four sidecars that serve one Pod, and beside them what one would run without an entry, and reads
// their memory idle and at work. The sums are of the four; references are only shown.
func TestWhatAPodPays(t *testing.T) {
	app := startApp(t)
	parts := []*part{shipper(t), proxy(t, app), adapter(t, app), confd(t)}
	time.Sleep(5 * time.Second) // what a start has left is collected
	var resident, anonymous int64
	for _, p := range parts {
		p.idle = p.process.use(t)
		resident, anonymous = resident+p.idle.resident, anonymous+p.idle.anonymous
	}
	// After the four were read: the references share pages with them.
	for _, reference := range []*part{stockCollector(t), nginxProxy(t, app, false)} {
		reference.idle = reference.process.use(t)
		parts = append(parts, reference)
	}
	for _, p := range parts {
		if p.work != nil {
			p.work()
		}
		p.busy = p.process.use(t)
	}
	t.Logf("memory in MB, CPU in ms for %d lines or requests\n%s", work, table(parts))
	t.Logf("the four together, idle: %.1f MB resident, %.1f MB anonymous", mb(resident), mb(anonymous))
	// Beyond what is anonymous there are pages of the programs' files, which all Pods of a node share and the kernel may drop.
	if mb(anonymous) >= 30 {
		t.Errorf("the four together have %.1f MB anonymous, want less than 30", mb(anonymous))
	}
	for _, p := range parts[2:4] {
		if mb(p.idle.anonymous) >= 15 || mb(p.busy.anonymous) >= 15 {
			t.Errorf("%s has %.1f MB anonymous idle and %.1f at work, want less than 15", p.name, mb(p.idle.anonymous), mb(p.busy.anonymous))
		}
	}
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

func table(parts []*part) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tidle: resident\tanonymous\tat work: resident\tanonymous\tCPU\t")
	for _, p := range parts {
		name := p.name
		if p.reference {
			name = "(" + name + ")"
		}
		cpu := "-"
		if p.work != nil {
			cpu = fmt.Sprint((p.busy.cpu - p.idle.cpu).Milliseconds())
		}
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%s\t\n", name, mb(p.idle.resident), mb(p.idle.anonymous), mb(p.busy.resident), mb(p.busy.anonymous), cpu)
	}
	_ = w.Flush()
	return b.String()
}

// shipper is the entry's collector; at work it ships lines.
func shipper(t *testing.T) *part {
	endpoint, health, logs, state := receiver.New(), freePort(t), t.TempDir(), t.TempDir()
	server := httptest.NewServer(endpoint)
	t.Cleanup(server.Close)
	p, _ := beside(t, "log-shipper", map[string]string{
		"endpoint": server.URL, "directory": logs, "health-port": health, "metrics-port": freePort(t), "service-name": "shop",
	}, "config", "/etc/log-shipper/config.yaml", "/var/lib/log-shipper", state)
	answers(t, "http://127.0.0.1:"+health)
	return &part{name: "log-shipper", process: p, work: ship(t, logs, endpoint)}
}

// stockCollector is the same program with what its components do when nothing is said.
func stockCollector(t *testing.T) *part {
	endpoint, logs := receiver.New(), t.TempDir()
	server := httptest.NewServer(endpoint)
	t.Cleanup(server.Close)
	health := freePort(t)
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, fmt.Sprintf(`
extensions: {health_check: {endpoint: "127.0.0.1:%s"}}
receivers: {file_log: {include: [%s/*.log], start_at: beginning, include_file_record_offset: true, resource: {k8s.pod.name: shop-0}}}
exporters: {otlp_http: {endpoint: "%s"}}
service:
  extensions: [health_check]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %s}}}}]}}
  pipelines: {logs: {receivers: [file_log], exporters: [otlp_http]}}
`, health, logs, server.URL, freePort(t)))
	p := run(t, os.Environ(), "log-shipper", "--config="+config)
	answers(t, "http://127.0.0.1:"+health)
	return &part{name: "collector, defaults", process: p, work: ship(t, logs, endpoint), reference: true}
}

// ship writes lines and waits for the last one's arrival.
func ship(t *testing.T, logs string, endpoint *receiver.Receiver) func() {
	return func() {
		t.Helper()
		var b strings.Builder
		for i := range work {
			fmt.Fprintf(&b, "2026-01-02T03:04:05.678Z INFO line=%d the customer has put another book into the basket\n", i+1)
		}
		write(t, filepath.Join(logs, "app.log"), b.String())
		eventually(t, "the lines have arrived", func() bool { return endpoint.Reports()["shop-0"].Lines == work })
	}
}

func adapter(t *testing.T, app string) *part {
	port := freePort(t)
	p, _ := beside(t, "adapter", map[string]string{
		"port": port, "metrics": "name=app,port=" + app + ",path=/metrics", "rules": "name=queue,check=value('queue_depth') < 100.0",
	}, "config", "/etc/adapter/adapter.yaml")
	answers(t, "http://127.0.0.1:"+port+"/metrics")
	return &part{name: "adapter", process: p, work: func() { requests(t, "http://127.0.0.1:"+port+"/healthz", work/10) }}
}

func confd(t *testing.T) *part {
	port, out := freePort(t), t.TempDir()
	p, dir := beside(t, "confd", map[string]string{
		"templates": "t", "backend": "file", "values": "v", "directory": out, "port": port, "interval": "1s",
	}, "config", "/etc/confd/confd.toml", "/etc/haproxy/conf.d", out)
	write(t, filepath.Join(dir, "templates", "a.tmpl"), "{{ getv \"/name\" \"nobody\" }}\n")
	write(t, filepath.Join(dir, "conf.d", "a.toml"), "[template]\nsrc = \"a.tmpl\"\ndest = \""+out+"/a.conf\"\nkeys = [\"/name\"]\n")
	answers(t, "http://127.0.0.1:"+port+"/metrics")
	return &part{name: "confd", process: p}
}
