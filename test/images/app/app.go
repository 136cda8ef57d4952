package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// app is the server and all that its faces keep.
type app struct {
	config *config
	log    *slog.Logger
	lines  logFile
	exit   chan int

	requests, logged, reloads, reloadErrors, burned, active atomic.Int64
	health                                                  atomic.Int64 // the status that /healthz answers with

	mu     sync.Mutex
	leaked [][]byte
	loaded loaded
}

// loaded is what the configuration file said at its last reload; after an error the content before it stays in force.
type loaded struct {
	Content    string `json:"content"`
	Generation int    `json:"generation"` // how often it was loaded
	Error      string `json:"error,omitempty"`
}

func newApp(c *config, log *slog.Logger) *app {
	a := &app{config: c, log: log, exit: make(chan int, 1)}
	a.health.Store(http.StatusOK)
	return a
}

// handler has the faces, each at its path.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", a.echo)
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("PUT /healthz", a.setHealth)
	mux.HandleFunc("GET /metrics", a.metrics)
	mux.HandleFunc("GET /status", a.statusJSON)
	mux.HandleFunc("GET /status.txt", a.statusText)
	mux.HandleFunc("GET /config", a.showConfig)
	mux.HandleFunc("GET /inspect", a.inspect)
	mux.HandleFunc("GET /get", a.fetch)
	mux.HandleFunc("/burn", a.burn)
	mux.HandleFunc("/leak", a.leak)
	mux.HandleFunc("/exit", a.end)
	mux.HandleFunc("/log", a.logNow)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.requests.Add(1)
		a.active.Add(1)
		defer a.active.Add(-1)
		mux.ServeHTTP(w, r)
	})
}

// echo answers with the request as it came through whatever stands in front.
func (a *app) echo(w http.ResponseWriter, r *http.Request) {
	host, _ := os.Hostname()
	writeJSON(w, map[string]any{
		"method": r.Method, "host": r.Host, "uri": r.RequestURI, "remote": r.RemoteAddr, "headers": r.Header, "server": host,
	})
}

func (a *app) healthz(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(int(a.health.Load()))
}

// setHealth decides what /healthz answers from now on: ?status=503.
func (a *app) setHealth(w http.ResponseWriter, r *http.Request) {
	if status, ok := number(w, r, "status", 200, 599); ok {
		a.health.Store(status)
	}
}

func (a *app) showConfig(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	writeJSON(w, a.loaded)
}

// reload loads the configuration file, if there is one.
func (a *app) reload() {
	if a.config.configFile == "" {
		return
	}
	content, err := os.ReadFile(a.config.configFile)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.reloadErrors.Add(1)
		a.loaded.Error = err.Error()
		a.log.Error("reload", "error", err)
		return
	}
	a.reloads.Add(1)
	a.loaded = loaded{Content: string(content), Generation: a.loaded.Generation + 1}
	a.log.Info("loaded", "file", a.config.configFile, "generation", a.loaded.Generation)
}

// burn keeps one processor busy: ?ms=500.
func (a *app) burn(w http.ResponseWriter, r *http.Request) {
	ms, ok := number(w, r, "ms", 1, 600_000)
	if !ok {
		return
	}
	x, rounds := uint64(ms), 0
	for end := time.Now().Add(time.Duration(ms) * time.Millisecond); time.Now().Before(end) && r.Context().Err() == nil; rounds++ {
		for range 1000 {
			x = x*6364136223846793005 + 1442695040888963407
		}
	}
	a.burned.Add(ms)
	writeJSON(w, map[string]any{"burnedMilliseconds": ms, "rounds": rounds, "result": x})
}

// leak takes memory and keeps it: ?mb=64. Every page is written to, so that the kernel counts it.
func (a *app) leak(w http.ResponseWriter, r *http.Request) {
	mb, ok := number(w, r, "mb", 1, 1<<16)
	if !ok {
		return
	}
	for range mb {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		a.mu.Lock()
		a.leaked = append(a.leaked, block)
		a.mu.Unlock()
	}
	writeJSON(w, map[string]any{"leakedBytes": a.leakedBytes()})
}

func (a *app) leakedBytes() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.leaked) << 20
}

// end ends the program after the answer: ?code=3.
func (a *app) end(w http.ResponseWriter, r *http.Request) {
	code, ok := number(w, r, "code", 0, 255)
	if !ok {
		return
	}
	writeJSON(w, map[string]any{"exitCode": code})
	_ = http.NewResponseController(w).Flush()
	select {
	case a.exit <- int(code):
	default: // it ends already
	}
}

// number reads a whole number of the query, or answers what it must be.
func number(w http.ResponseWriter, r *http.Request, name string, least, most int64) (int64, bool) {
	text := r.URL.Query().Get(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		http.Error(w, "?"+name+"="+text+": must be "+strconv.FormatInt(least, 10)+" to "+strconv.FormatInt(most, 10), http.StatusBadRequest)
		return 0, false
	}
	return n, true
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(v) // the client has gone: nobody is left to tell
}
