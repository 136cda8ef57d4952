package main

import (
	"fmt"
	"io"
	"net/http"
)

// counters are what /metrics, /status and /status.txt show, in one order.
func (a *app) counters() []counter {
	return []counter{
		{"app_requests_total", "counter", "Requests answered or under way.", a.requests.Load()},
		{"app_active_requests", "gauge", "Requests under way.", a.active.Load()},
		{"app_log_lines_total", "counter", "Log lines written.", a.logged.Load()},
		{"app_config_reloads_total", "counter", "Times the configuration file was loaded.", a.reloads.Load()},
		{"app_config_reload_errors_total", "counter", "Times it could not be loaded.", a.reloadErrors.Load()},
		{"app_burned_milliseconds_total", "counter", "Processor time burned on request.", a.burned.Load()},
		{"app_leaked_bytes", "gauge", "Memory leaked on request.", int64(a.leakedBytes())},
	}
}

type counter struct {
	name, kind, help string
	value            int64
}

// metrics is the Prometheus text format.
func (a *app) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	for _, c := range a.counters() {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", c.name, c.help, c.name, c.kind, c.name, c.value)
	}
}

// statusJSON is a status page of an app's own making, for the adapter to make metrics of.
func (a *app) statusJSON(w http.ResponseWriter, _ *http.Request) {
	status := map[string]any{}
	for _, c := range a.counters() {
		status[c.name] = c.value
	}
	writeJSON(w, map[string]any{"app": status})
}

// statusText is one in lines of text, as nginx's.
func (a *app) statusText(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "Active connections: %d\n", a.active.Load())
	fmt.Fprintf(w, "requests: %d\n", a.requests.Load())
}

// fetch dials out from where the app runs: ?url=, with the status and the first 64 KiB of the body in the answer.
func (a *app) fetch(w http.ResponseWriter, r *http.Request) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, r.URL.Query().Get("url"), nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	writeJSON(w, map[string]any{"status": response.StatusCode, "body": string(body)})
}
