package pays

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/pillion-dev/pillion/confd/etcdtest"
	"github.com/pillion-dev/pillion/test/sidecars/receiver"
)

const (
	// work is how many lines are shipped and how many requests are made where a sidecar is at work.
	work = 20_000
	// A sidecar that started started seconds ago has yet to settle (package settle), one that idles has.
	started, idle = 5 * time.Second, time.Minute
)

// What the four together may have idle, and one of ours (adapter, confd) idle and at work, in MB. docs/sidecars/log-shipper.md
// says what each has its share for.
const (
	mostResident  = 60
	mostAnonymous = 30
	mostOfOurs    = 15
)

// part is one row of the table.
type part struct {
	name                string
	process             *process
	started, idle, busy use
	probes              []string // the URLs that the kubelet asks
	work                func()   // nil: it has none but its own interval
	reference           bool
	url                 string // where it has one
}

// TestWhatAPodPays starts the four sidecars that serve one Pod, and beside them what one would run without an entry, and reads
// their memory after the start, idle and at work. Idle they are asked what the kubelet asks, and nothing else. The sums are of
// the four; references are only shown.
func TestWhatAPodPays(t *testing.T) {
	app := startApp(t)
	four := []*part{shipper(t), proxy(t, app), adapter(t, app), confd(t)}
	parts := append(slices.Clone(four), stockCollector(t), nginxProxy(t, app, false))
	began := time.Now()
	time.Sleep(started)
	for _, p := range parts {
		p.started = p.process.use(t)
	}
	for probe := began; time.Since(began) < idle; time.Sleep(time.Second) {
		if time.Since(probe) >= 10*time.Second {
			probe = time.Now()
			for _, p := range parts {
				for _, url := range p.probes {
					answers(t, url)
				}
			}
		}
	}
	for _, p := range parts {
		p.idle = p.process.use(t)
	}
	for _, p := range parts {
		if p.work != nil {
			p.work()
		}
		p.busy = p.process.use(t)
	}
	total := &part{name: "the four together", reference: true}
	for _, p := range four {
		total.started, total.idle, total.busy = total.started.plus(p.started), total.idle.plus(p.idle), total.busy.plus(p.busy)
	}
	t.Logf("memory in MB, resident (anonymous + file), and CPU in ms for %d lines or requests\n%s", work, table(append(parts, total)))
	limits(t, total, four[2:])
}

// limits holds what is paid against what may be.
func limits(t *testing.T, total *part, ours []*part) {
	t.Helper()
	if got := mb(total.idle.resident()); got >= mostResident {
		t.Errorf("the four together have %.1f MB resident, want less than %d", got, mostResident)
	}
	if got := mb(total.idle.anonymous); got >= mostAnonymous {
		t.Errorf("the four together have %.1f MB anonymous, want less than %d", got, mostAnonymous)
	}
	for _, p := range ours {
		if idle, busy := mb(p.idle.anonymous), mb(p.busy.anonymous); idle >= mostOfOurs || busy >= mostOfOurs {
			t.Errorf("%s has %.1f MB anonymous idle and %.1f at work, want less than %d", p.name, idle, busy, mostOfOurs)
		}
	}
}

func table(parts []*part) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\tafter %s\tidle for %s\tat work\tCPU\t\n", started, idle)
	for _, p := range parts {
		name, cpu := p.name, "-"
		if p.reference {
			name = "(" + name + ")"
		}
		if p.work != nil {
			cpu = fmt.Sprint((p.busy.cpu - p.idle.cpu).Milliseconds())
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", name, p.started, p.idle, p.busy, cpu)
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
	return &part{name: "log-shipper", process: p, probes: []string{"http://127.0.0.1:" + health}, work: ship(t, logs, endpoint)}
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
	return &part{name: "collector, defaults", process: p, probes: []string{"http://127.0.0.1:" + health}, work: ship(t, logs, endpoint), reference: true}
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

// adapter asks the app for its metrics all the time; at work it is asked what its rules say.
func adapter(t *testing.T, app string) *part {
	port := freePort(t)
	p, _ := beside(t, "adapter", map[string]string{
		"port": port, "metrics": "name=app,port=" + app + ",path=/metrics", "rules": "name=queue,check=value('queue_depth') < 100.0",
	}, "config", "/etc/adapter/adapter.yaml")
	url := "http://127.0.0.1:" + port
	answers(t, url+"/-/ready/app")
	probes := []string{url + "/-/healthy", url + "/-/ready/adapter"}
	return &part{name: "adapter", process: p, probes: probes, work: func() { requests(t, url+"/healthz", work/10) }}
}

// confd follows etcd, as it does by default; at work it is scraped, as its other work is writing files.
func confd(t *testing.T) *part {
	port, out := freePort(t), t.TempDir()
	etcd := etcdtest.Start(t, 1, false)
	p, dir := beside(t, "confd", map[string]string{
		"templates": "t", "backend": "etcd", "endpoints": strings.Join(etcd.URLs(), ","), "directory": out, "port": port,
	}, "config", "/etc/confd/confd.toml", "/etc/haproxy/conf.d", out)
	write(t, filepath.Join(dir, "templates", "a.tmpl"), "{{ getv \"/name\" \"nobody\" }}\n")
	write(t, filepath.Join(dir, "conf.d", "a.toml"), "[template]\nsrc = \"a.tmpl\"\ndest = \""+out+"/a.conf\"\nkeys = [\"/name\"]\n")
	url := "http://127.0.0.1:" + port
	answers(t, url+"/-/ready")
	return &part{name: "confd", process: p, probes: []string{url + "/-/healthy"}, work: func() { requests(t, url+"/metrics", work/20) }}
}
