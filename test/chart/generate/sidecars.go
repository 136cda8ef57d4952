package main

// inSidecars is what the sidecars themselves say: each panel is of one entry's program. Prometheus calls the runner's label job
// exported_job, as job is its own.
func inSidecars() dashboard {
	grown := func(counter string) string { return "sum(increase(" + counter + "[1h])) or vector(0)" }
	up := func(counter string) string { return "sum(rate(" + counter + "[$__rate_interval]))" }
	return dashboard{name: "sidecars", title: "Pillion / In the sidecars", panels: []panel{
		stat("Log records dropped in an hour", "short", "The endpoint said that it will never take them; everything else waits.",
			grown("otelcol_exporter_send_failed_log_records_total")),
		stat("Endpoints that are down", "short", "Of the proxies' apps, routes and outbound endpoints.", `sum(haproxy_server_status{state="DOWN"}) or vector(0)`),
		stat("Files that confd cannot render", "short", "The last good ones are in use.", `sum(confd_resources{state="failing"}) or vector(0)`),
		stat("Apps that are not well", "short", "By the rules of their adapters.", `count(adapter_healthy == 0) or vector(0)`),

		graph("Log shipper: records", "ops", "Read and sent are the same in the long run. Where reading waits, the queue or the memory is full.",
			up("otelcol_receiver_accepted_log_records_total"), "read", up("otelcol_exporter_sent_log_records_total"), "sent",
			up("otelcol_exporter_send_failed_log_records_total"), "dropped", up("otelcol_receiver_refused_log_records_total"), "reading waits"),
		graph("Log shipper: fullest queue", "percentunit", "Of what a shipper keeps on its disk while its endpoint is away.",
			`max(otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)`, "full"),
		graph("Log shipper: memory", "bytes", "Resident, of the largest and on average.", `max(otelcol_process_memory_rss_bytes)`, "largest", `avg(otelcol_process_memory_rss_bytes)`, "average"),

		graph("Proxy: answers by route", "reqps", "app is what no route takes.", rate("proxy, code", `haproxy_backend_http_responses_total`), "{{proxy}} {{code}}"),
		graph("Proxy: refused", "reqps", "Paths and networks that are denied, and more than the rate limit allows.",
			rate("proxy", `haproxy_frontend_requests_denied_total`), "{{proxy}} denied", rate("proxy", `haproxy_frontend_http_responses_total{proxy="reverse",code="4xx"}`), "{{proxy}} 4xx"),
		graph("Proxy: answer time", "s", "On average over the last 1024 requests, of the slowest proxy.", `max by (proxy) (haproxy_backend_response_time_average_seconds)`, "{{proxy}}"),
		graph("Proxy: connections that failed", "ops", "An attempt made again, on another endpoint where there is one, is no failure for the app.",
			rate("proxy", `haproxy_backend_connection_errors_total`), "{{proxy}} failed",
			"sum by (proxy) (rate(haproxy_backend_retry_warnings_total[$__rate_interval]) + rate(haproxy_backend_redispatch_warnings_total[$__rate_interval]))", "{{proxy}} again"),

		graph("confd: files", "ops", "Renderings by result; what fails leaves the last good file.", rate("result", `confd_renders_total`), "{{result}}"),
		graph("confd: reloads", "ops", "Of apps, by how and by result.", rate("kind, result", `confd_reloads_total`), "{{kind}} {{result}}"),
		graph("confd: behind", "short", "For longer than a moment: the store is away, or the app cannot be told.",
			`count(confd_backend_up == 0) or vector(0)`, "stores that do not answer", `sum(confd_reloads_pending)`, "apps that have not read their files"),

		graph("Adapter: sources that fail", "ops", "Rounds in which a source did not give all, by why.", rate("source, reason", `adapter_source_failures_total`), "{{source}}: {{reason}}"),
		graph("Adapter: rules", "short", "That do not hold, by verdict.", `sum by (rule, verdict) (adapter_rule_state{verdict!="holds"})`, "{{rule}}: {{verdict}}"),

		graph("Runner: runs", "ops", "By result; skipped: one was under way, or too many waited.",
			rate("exported_job, result", `runner_runs_total`), "{{exported_job}} {{result}}", rate("exported_job", `runner_skipped_total`), "{{exported_job}} skipped"),
		graph("Runner: time since the last success", "s", "Of each job that has succeeded once.",
			`time() - max by (exported_job) (runner_last_success_timestamp_seconds)`, "{{exported_job}}"),

		graph("Configurations with a mistake", "short", "A ConfigMap was changed for the worse; the last good one is in use.",
			`count(adapter_config_good == 0) or vector(0)`, "adapter", `count(runner_config_good == 0) or vector(0)`, "runner",
			`sum(increase(confd_template_loads_total{result="failure"}[$__rate_interval])) or vector(0)`, "confd's templates"),
	}}
}
