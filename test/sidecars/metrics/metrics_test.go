// Package metrics runs the sidecars' programs and holds the dashboard about them to what they really serve.
package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Programs and whose metrics they are, by the beginning of their names.
var prefixes = []string{"otelcol", "haproxy", "confd", "adapter", "runner"}

var named = regexp.MustCompile(`\b(?:` + strings.Join(prefixes, "|") + `)_[a-z_]+`)

// asked gives every metric in the dashboard's queries, and the panel that asks for it.
func asked(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../charts/pillion/files/dashboards/sidecars.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			for _, name := range named.FindAllString(target.Expr, -1) {
				out[name] = p.Title
			}
		}
	}
	return out
}

// TestEveryMetricOfTheDashboardIsServed has each program do what makes its metrics appear, with the configuration that its entry
// makes, and looks for every one that the dashboard names at the port that the entry gives it.
func TestEveryMetricOfTheDashboardIsServed(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "queue_depth 3\n") }))
	t.Cleanup(page.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(page.URL, "http://"), ":")
	at := map[string]string{
		"haproxy": proxy(t, port), "confd": confd(t), "adapter": adapter(t, port), "runner": runner(t), "otelcol": shipper(t),
	}
	metrics := asked(t)
	of := map[string]int{}
	for name, panel := range metrics {
		program, _, _ := strings.Cut(name, "_")
		of[program]++
		eventually(t, panel+": "+program+" serves "+name, func() bool { return strings.Contains(get(at[program]), "\n# TYPE "+name+" ") })
	}
	for _, program := range prefixes {
		if of[program] < 3 {
			t.Errorf("the dashboard asks for %d metrics of %s", of[program], program)
		}
	}
	t.Logf("metrics by program: %v", of)
}

func proxy(t *testing.T, app string) string {
	s := newSidecar(t, "proxy", map[string]string{"upstream-port": app})
	s.write("/etc/haproxy/haproxy.cfg", s.Files["haproxy"])
	s.write("/etc/haproxy/conf.d/none.cfg", "")
	return s.run("haproxy")
}

func confd(t *testing.T) string {
	s := newSidecar(t, "confd", map[string]string{"templates": "t", "backend": "file", "values": "v", "process": "no-such-program", "container": "app"})
	s.write("/etc/confd/confd.toml", s.Files["config"])
	s.write("/etc/confd/values/v.yaml", "name: a\n")
	resource := "[template]\nsrc = \"a.tmpl\"\ndest = \"" + s.here("/run/confd/a") + "\"\nkeys = [\"/\"]\n"
	s.write("/etc/confd/conf.d/a.toml", resource)
	s.write("/etc/confd/templates/a.tmpl", `{{ getv "/name" }}`)
	s.write("/run/confd/before", "")
	url := s.run("confd")
	eventually(t, "confd has rendered", func() bool { return strings.Contains(get(url), `confd_renders_total{result="written"} 1`) })
	s.write("/etc/confd/conf.d/a.toml", resource+"mode = \"rubbish\"\n") // the templates are read again, and stay
	return url
}

func adapter(t *testing.T, app string) string {
	s := newSidecar(t, "adapter", map[string]string{
		"metrics": "name=app,port=" + app + ";name=nobody,port=1", "rules": "name=queue,check=value('queue_depth') < 1.0", "interval": "1s",
	})
	s.write("/etc/adapter/adapter.yaml", s.Files["config"])
	return s.run("adapter")
}

func runner(t *testing.T) string {
	s := newSidecar(t, "runner", map[string]string{"scripts": "s", "jobs": "name=a,script=a.sh,schedule=@every 1s"})
	s.write("/etc/runner/runner.yaml", s.Files["config"])
	s.write("/etc/runner/scripts/a.sh", "#!/bin/sh\ntrue\n")
	s.write("/run/runner/before", "")
	s.Container.Args = []string{"serve", "--config=/etc/runner/runner.yaml"}
	return s.run("runner")
}

// shipper sends to an endpoint that refuses the first batch for good, and takes the rest.
func shipper(t *testing.T) string {
	var requests atomic.Int64
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(endpoint.Close)
	s := newSidecar(t, "log-shipper", map[string]string{"endpoint": endpoint.URL, "directory": "/var/log/app", "service-name": "shop"})
	s.write("/etc/log-shipper/config.yaml", s.Files["config"])
	s.write("/var/lib/log-shipper/before", "")
	s.write("/var/log/app/a.log", "line 1\n")
	url := s.run("log-shipper")
	eventually(t, "a batch is refused", func() bool { return strings.Contains(get(url), "\notelcol_exporter_send_failed_log_records_total{") })
	for i := 2; !strings.Contains(get(url), "\notelcol_exporter_sent_log_records_total{") && i < 100; i++ {
		s.write("/var/log/app/a.log", strings.Repeat("another line\n", i))
		time.Sleep(300 * time.Millisecond)
	}
	return url
}

func get(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return ""
	}
	return "\n" + string(body)
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (s *sidecar) write(at, text string) {
	s.t.Helper()
	path := s.here(at)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(s.here(text)), 0o700); err != nil {
		s.t.Fatal(err)
	}
}
