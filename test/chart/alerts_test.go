package chart

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// alert is a rule of Prometheus.
type alert struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

type alertGroups struct {
	Groups []struct{ Rules []alert }
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file alertGroups
	read(t, "files/alerts.yaml", &file)
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) < 16 {
		t.Fatalf("the alerts are %+v", file)
	}
	return file.Groups[0].Rules
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Dir = "testdata"
	if out, errs, err := output(cmd); err != nil {
		t.Errorf("promtool %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
	}
}

// TestEveryAlertFiresAndIsQuiet has promtool run testdata/alerts.yaml, which has both for every alert.
func TestEveryAlertFiresAndIsQuiet(t *testing.T) {
	promtool(t, "test", "rules", "alerts.yaml")
	text, err := os.ReadFile("testdata/alerts.yaml")
	var file struct {
		Tests []struct {
			Name          string
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []any `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, of := range test.AlertRuleTest {
			if len(of.ExpAlerts) > 0 {
				fires[of.Alertname] = true
			} else {
				quiet[of.Alertname] = true
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !quiet[a.Alert] {
			t.Errorf("%s: a test has it fire: %v, be quiet: %v", a.Alert, fires[a.Alert], quiet[a.Alert])
		}
	}
}

// TestRenderedRulesAreRules has promtool read what the chart makes of the alerts, under the names of another release.
func TestRenderedRulesAreRules(t *testing.T) {
	all := objects(t, render(t, "--values", chartDir+"/ci/provided-values.yaml"))
	var rules struct{ Spec alertGroups }
	o := ofKind(t, all, "PrometheusRule")[0]
	if err := json.Unmarshal(o.JSON, &rules); err != nil {
		t.Fatal(err)
	}
	var whole struct{ Spec json.RawMessage }
	if err := json.Unmarshal(o.JSON, &whole); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, whole.Spec, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
	var policies int
	for i, r := range rules.Spec.Groups[0].Rules {
		if want := alerts(t)[i].Alert; r.Alert != want {
			t.Errorf("alert %d is %s, want %s", i, r.Alert, want)
		}
		if strings.Contains(r.Expr, `policy="seat-injected"`) {
			policies++
		}
	}
	if policies != 1 {
		t.Errorf("%d alerts look at the policy seat-injected", policies)
	}
}

// TestEveryAlertHasARunbook follows every alert to its section, and every section to its alert.
func TestEveryAlertHasARunbook(t *testing.T) {
	text, err := os.ReadFile(chartDir + "/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections, anchors []string
	for _, m := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(string(text), -1) {
		sections, anchors = append(sections, m[1]), append(anchors, strings.ToLower(m[1]))
	}
	var names []string
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || !slices.Contains([]string{"warning", "critical"}, a.Labels["severity"]) {
			t.Errorf("%s: %v %v", a.Alert, a.Labels, a.Annotations)
		}
	}
	if !slices.Equal(sections, names) {
		t.Errorf("the runbook has the sections %v\nthe alerts are %v", sections, names)
	}
	for _, m := range regexp.MustCompile(`\(#([^)]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(anchors, m[1]) {
			t.Errorf("the runbook links to #%s, which it does not have", m[1])
		}
	}
	for _, r := range ofKind(t, objects(t, render(t, "--values", chartDir+"/ci/ha-values.yaml")), "PrometheusRule") {
		var rules struct{ Spec alertGroups }
		if err := json.Unmarshal(r.JSON, &rules); err != nil {
			t.Fatal(err)
		}
		for _, a := range rules.Spec.Groups[0].Rules {
			if url := a.Annotations["runbook_url"]; !strings.HasSuffix(url, "/charts/pillion/runbooks.md#"+strings.ToLower(a.Alert)) {
				t.Errorf("%s has the runbook %q", a.Alert, url)
			}
		}
	}
}
