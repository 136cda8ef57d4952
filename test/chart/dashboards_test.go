package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

type dashboard struct {
	UID, Title string
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ Type, UID string }
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct{ RefID, Expr, LegendFormat string }
}

func dashboards(t *testing.T) map[string]*dashboard {
	t.Helper()
	files, err := filepath.Glob(chartDir + "/files/dashboards/*.json")
	if err != nil || len(files) < 2 {
		t.Fatal(err, files)
	}
	out := map[string]*dashboard{}
	for _, file := range files {
		d := new(dashboard)
		read(t, filepath.Join("files", "dashboards", filepath.Base(file)), d)
		out[strings.TrimSuffix(filepath.Base(file), ".json")] = d
	}
	return out
}

// units are those of Grafana's that are in use.
var units = []string{"short", "s", "reqps", "ops", "bool_yes_no", "bytes", "percentunit"}

func TestDashboardsAreInOrder(t *testing.T) {
	for name, d := range dashboards(t) {
		v := d.Templating.List
		if d.UID != "pillion-"+name || d.Title == "" || len(v) != 1 || v[0].Name != "datasource" || v[0].Type != "datasource" || v[0].Query != "prometheus" {
			t.Errorf("%s: %s %q, variables %+v", name, d.UID, d.Title, v)
		}
		if n := len(d.Panels); n == 0 || n > 20 {
			t.Errorf("%s has %d panels", name, n)
		}
		ids, titles := map[int]bool{}, map[string]bool{}
		for i, p := range d.Panels {
			if ids[p.ID] || titles[p.Title] || p.ID == 0 || p.Title == "" || p.Description == "" || !slices.Contains([]string{"stat", "timeseries"}, p.Type) {
				t.Errorf("%s: panel %+v", name, p)
			}
			ids[p.ID], titles[p.Title] = true, true
			if p.Datasource.Type != "prometheus" || p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: %s: data source %v", name, p.Title, p.Datasource)
			}
			if !slices.Contains(units, p.FieldConfig.Defaults.Unit) {
				t.Errorf("%s: %s: unit %q", name, p.Title, p.FieldConfig.Defaults.Unit)
			}
			if at := p.GridPos; at.W == 0 || at.H == 0 || at.X+at.W > 24 {
				t.Errorf("%s: %s is at %v", name, p.Title, at)
			}
			for _, q := range d.Panels[:i] {
				if a, b := p.GridPos, q.GridPos; a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Errorf("%s: %s lies over %s", name, p.Title, q.Title)
				}
			}
			for _, target := range p.Targets {
				if target.RefID == "" || p.Type == "timeseries" && target.LegendFormat == "" {
					t.Errorf("%s: %s: %+v", name, p.Title, target)
				}
			}
		}
	}
}

// TestQueriesAreQueries has promtool read every query of the dashboards, as rules.
func TestQueriesAreQueries(t *testing.T) {
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				rules = append(rules, rule{Record: "x", Expr: strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")})
			}
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "all", "rules": rules}}})
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
	if len(rules) < 25 {
		t.Errorf("there are %d queries", len(rules))
	}
}

// metric finds names of metrics in a query: of ours, of the API server's, of controller-runtime's, and of the sidecars'.
var metric = regexp.MustCompile(`\b(?:pillion|apiserver|controller_runtime|workqueue|rest_client|leader_election|otelcol|haproxy|confd|adapter|runner)_[a-z_]+`)

// ofTheNode finds those of the node helper among them.
var ofTheNode = regexp.MustCompile(`^pillion_(node|sidecar|pod)_`)

// ofSidecars finds those of the programs that are injected; test/sidecars/metrics looks at them, in the programs themselves.
var ofSidecars = regexp.MustCompile(`^(otelcol|haproxy|confd|adapter|runner)_`)

// queried gives the metrics that alerts and dashboards name, without a histogram's suffix, and where.
func queried(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	find := func(at, expr string) {
		names := metric.FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("%s: no metric in %s", at, expr)
		}
		for _, name := range names {
			out[strings.TrimSuffix(name, "_bucket")] = at
		}
	}
	for _, a := range alerts(t) {
		find(a.Alert, a.Expr)
	}
	for name, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				find(name+": "+p.Title, target.Expr)
			}
		}
	}
	return out
}

func TestMetricsOfOursAreInTheReference(t *testing.T) {
	reference, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for name, at := range queried(t) {
		if !strings.HasPrefix(name, "pillion_") {
			continue
		}
		n++
		if !strings.Contains(string(reference), "| `"+name+"` |") {
			t.Errorf("%s: no metric %s", at, name)
		}
	}
	if n < 10 {
		t.Errorf("%d metrics were looked up", n)
	}
}
