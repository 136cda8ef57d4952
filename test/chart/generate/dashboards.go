package main

import (
	"encoding/json"
	"strings"
)

// dashboard is a Grafana dashboard: single numbers in the first row, graphs below, in two columns.
type dashboard struct {
	name, title string
	panels      []panel
}

// panel shows one or more queries. One that is no graph shows a single number.
type panel struct {
	title, about, unit string
	graph              bool
	queries            []query
}

type query struct{ expr, legend string }

// rate is the rate of a counter over what Grafana takes for the resolution.
func rate(by, counter string) string {
	return "sum by (" + by + ") (rate(" + counter + "[$__rate_interval]))"
}

func quantile(q, histogram string) string {
	return "histogram_quantile(" + q + ", " + rate("le", histogram) + ")"
}

// graph makes a graph of queries and their legends, in turn.
func graph(title, unit, about string, exprsAndLegends ...string) panel {
	p := panel{title: title, unit: unit, about: about, graph: true}
	for i := 0; i+1 < len(exprsAndLegends); i += 2 {
		p.queries = append(p.queries, query{exprsAndLegends[i], exprsAndLegends[i+1]})
	}
	return p
}

func stat(title, unit, about, expr string) panel {
	return panel{title: title, unit: unit, about: about, queries: []query{{expr: expr}}}
}

const sees = ", as the API server sees it"

func dashboards() []dashboard {
	return []dashboard{
		{name: "webhook", title: "Pillion / Webhook", panels: []panel{
			stat("Replicas that serve", "short", "Those that drain are not counted.", `count(pillion_draining == 0) or vector(0)`),
			stat("Serving certificate expires in", "s", "The one that expires first.", `min(pillion_certificate_not_after_seconds) - time()`),
			stat("Newest catalog in force", "bool_yes_no", "No: a catalog directory has a mistake, and the last good one is served.", `min(pillion_catalog_last_reload_success)`),
			stat("Catalog revisions in force", "short", "More than one, for longer than a moment: replicas do not see the same entries.", `count(count by (revision) (pillion_catalog_info))`),
			graph("Requests by outcome", "reqps", "Every review that is answered.", rate("outcome", `pillion_admission_requests_total`), "{{outcome}}"),
			graph("Answer time", "s", "From a request's header to its answer.",
				quantile("0.50", `pillion_admission_duration_seconds_bucket`), "p50", quantile("0.99", `pillion_admission_duration_seconds_bucket`), "p99"),
			graph("Injections by sidecar", "reqps", "Those of Namespaces' own entries count together.", rate("sidecar", `pillion_admission_requests_total{outcome="injected"}`), "{{sidecar}}"),
			graph("Refused, ignored or undecided, by reason", "reqps", "docs/reference/warnings.md has the reasons.",
				rate("outcome, reason", `pillion_admission_requests_total{outcome=~"denied|ignored|unavailable"}`), "{{outcome}}: {{reason}}"),
			graph("Requests in hand", "short", "At the limit further ones are answered without a decision.", `sum(pillion_admission_requests_in_flight)`, "in hand"),
			graph("Panics", "short", "Each was turned into an answer, and is in the log.", `sum(increase(pillion_panics_total[$__rate_interval]))`, "panics"),
			graph("Entries by layer", "short", "Of the catalog in force.", `max by (layer) (pillion_catalog_entries)`, "{{layer}}", `max(pillion_catalog_entry_errors)`, "not in force for a mistake"),
			graph("Call time"+sees, "s", "TLS and the network are in it.",
				quantile("0.99", `apiserver_admission_webhook_admission_duration_seconds_bucket{name=~".*[.]pillion[.]dev"}`), "p99"),
			graph("Calls that failed"+sees, "reqps", "Pods in Namespaces that do not require sidecars; the policy then refuses those that ask.",
				rate("name", `apiserver_admission_webhook_fail_open_count{name=~".*[.]pillion[.]dev"}`), "{{name}}"),
			graph("Pods refused for lack of sidecars", "reqps", "By the API server's own policy.",
				rate("policy", `apiserver_validating_admission_policy_check_total{policy=~".*-injected",enforcement_action="deny"}`), "{{policy}}"),
		}},
		{name: "controller", title: "Pillion / Controller", panels: []panel{
			stat("Replica that leads", "short", "One, or nobody writes the status of entries.", `sum(leader_election_master_status{name="pillion-controller"}) or vector(0)`),
			stat("Entries", "short", "ClusterSidecars and Sidecars on the API server.", `sum(max by (kind, reason) (pillion_entries)) or vector(0)`),
			stat("Entries of no use", "short", "They have a mistake, or the API server refuses Pods with them.", `sum(max by (kind, reason) (pillion_entries{reason=~"Invalid|Refused"})) or vector(0)`),
			stat("Pods without the sidecars that they ask for", "short", "Events SidecarsMissing name their owners.", `sum(pillion_uninjected_pods{reason=~"missed|refused"}) or vector(0)`),
			graph("Entries by kind and reason", "short", "docs/controller.md has the reasons.", `max by (kind, reason) (pillion_entries)`, "{{kind}}: {{reason}}"),
			graph("Pods without their sidecars, by why", "short", "docs/controller.md has the reasons.", `max by (reason) (pillion_uninjected_pods)`, "{{reason}}"),
			graph("Reviews by webhook", "reqps", "Entries and workloads that are written.", rate("webhook, code", `controller_runtime_webhook_requests_total{webhook=~"/validate|/workloads"}`), "{{webhook}} {{code}}"),
			graph("Answer time", "s", "A dry run is in that of /validate.",
				`histogram_quantile(0.99, sum by (le, webhook) (rate(controller_runtime_webhook_latency_seconds_bucket{webhook=~"/validate|/workloads"}[$__rate_interval])))`, "{{webhook}} p99"),
			graph("Status written", "ops", "Rounds over entries, by result.", rate("controller, result", `controller_runtime_reconcile_total`), "{{controller}} {{result}}"),
			graph("Entries that wait for their status", "short", "The work queue.", `sum by (name) (workqueue_depth{name=~"clustersidecars|sidecars|entries"})`, "{{name}}"),
			graph("Calls that failed"+sees, "reqps", "Of entries, these were refused.",
				`sum by (name) (rate(apiserver_admission_webhook_rejection_count{name="entries.pillion.dev",error_type!="no_error"}[$__rate_interval]))`, "{{name}}"),
			graph("Requests to the API server", "reqps", "By the controller, by answer.", rate("method, code", `rest_client_requests_total{job=~".*pillion-controller.*"}`), "{{method}} {{code}}"),
		}},
		costs(),
		inSidecars(),
	}
}

type object = map[string]any

// json writes a dashboard as Grafana imports it.
func (d dashboard) json() ([]byte, error) {
	panels := []object{}
	x, y := 0, 0
	for i, p := range d.panels {
		kind, width, height := "stat", 6, 4
		if p.graph {
			kind, width, height = "timeseries", 12, 8
		}
		if x+width > 24 {
			x, y = 0, panels[i-1]["gridPos"].(object)["y"].(int)+panels[i-1]["gridPos"].(object)["h"].(int)
		}
		panels = append(panels, p.object(i+1, kind, object{"x": x, "y": y, "w": width, "h": height}))
		x += width
	}
	text, err := json.MarshalIndent(object{
		"uid": "pillion-" + d.name, "title": d.title, "tags": []string{"pillion"}, "schemaVersion": 39, "version": 1,
		"editable": true, "refresh": "30s", "time": object{"from": "now-6h", "to": "now"}, "panels": panels,
		"templating": object{"list": []object{{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}}},
	}, "", "  ")
	return append([]byte(strings.NewReplacer(`\u003e`, ">", `\u003c`, "<", `\u0026`, "&").Replace(string(text))), '\n'), err
}

func (p panel) object(id int, kind string, at object) object {
	defaults := object{"unit": p.unit}
	if p.graph {
		defaults["min"] = 0
	}
	targets := []object{}
	for i, q := range p.queries {
		targets = append(targets, object{"refId": string(rune('A' + i)), "expr": q.expr, "legendFormat": q.legend})
	}
	return object{
		"id": id, "type": kind, "title": p.title, "description": p.about, "gridPos": at, "targets": targets,
		"datasource":  object{"type": "prometheus", "uid": "${datasource}"},
		"fieldConfig": object{"defaults": defaults, "overrides": []any{}},
	}
}
