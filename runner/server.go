//go:build linux

package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Serve runs jobs until the context ends, then ends what runs.
func (r *Runner) Serve(ctx context.Context) error {
	public, err := net.Listen("tcp", r.config.Listen)
	if err != nil {
		return err
	}
	defer public.Close()
	private, err := listenUnix(r.config.Socket)
	if err != nil {
		return err
	}
	r.log.Info("listening", "address", public.Addr().String(), "socket", r.config.Socket, "jobs", len(r.config.Jobs))
	servers := []*http.Server{r.server(r.public()), r.server(r.private())}
	failed := make(chan error, len(servers))
	for i, l := range []net.Listener{public, private} {
		go func() { failed <- servers[i].Serve(l) }()
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	go r.schedule(inner)
	go r.watch(inner)
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	stop()
	r.stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	for _, s := range servers {
		_ = errors.Join(s.Shutdown(last), s.Close()) // what is left is closed
	}
	return err
}

func (r *Runner) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
}

// watch reaps orphans when they end, and looks for a changed configuration.
func (r *Runner) watch(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	reload := time.NewTicker(r.options.Reload)
	defer reload.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			r.reaper.reap()
		case <-reload.C:
			r.Reload()
		}
	}
}

// listenUnix makes the socket, in place of one that an earlier run of the container left. Whoever has the volume may ask.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("%s: a file is there that is no socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o666)
}

// public is for everyone who reaches the Pod: metrics and probes, nothing that runs.
func (r *Runner) public() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return mux
}

// private is for those on the Pod who have the socket.
func (r *Runner) private() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", r.serveStatus)
	mux.HandleFunc("POST /run/{job}", r.serveRun)
	return mux
}

// serveRun runs a job and answers when it has ended, or with ?wait=false when it has begun. The run does not depend on
// whether somebody waits for it.
func (r *Runner) serveRun(w http.ResponseWriter, q *http.Request) {
	t, err := r.ask(q.PathValue("job"), byDemand)
	switch {
	case errors.Is(err, errUnknown):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, errEnding):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case errors.Is(err, errFull):
		http.Error(w, q.PathValue("job")+": "+err.Error(), http.StatusTooManyRequests)
	case err != nil:
		http.Error(w, q.PathValue("job")+": "+err.Error(), http.StatusConflict)
	case q.URL.Query().Get("wait") == "false":
		w.WriteHeader(http.StatusAccepted)
	default:
		select {
		case <-t.done:
			answer(w, t.run)
		case <-q.Context().Done():
		}
	}
}

// jobStatus is a job as GET / shows it.
type jobStatus struct {
	Name     string     `json:"name"`
	Script   string     `json:"script"`
	Schedule string     `json:"schedule,omitempty"`
	TimeZone string     `json:"timezone,omitempty"`
	Next     *time.Time `json:"next,omitempty"`
	Running  *Run       `json:"running,omitempty"`
	Waiting  int        `json:"waiting,omitempty"`
	Last     *Run       `json:"last,omitempty"`
}

type status struct {
	// Mistakes of configuration files that are not in use for it.
	Mistakes string      `json:"mistakes,omitempty"`
	Jobs     []jobStatus `json:"jobs"`
}

func (r *Runner) serveStatus(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	out := status{Mistakes: r.mistakes, Jobs: []jobStatus{}}
	for _, j := range r.jobs {
		s := jobStatus{Name: j.Name, Script: j.Script, Running: j.current, Waiting: len(j.waiting), Last: j.last}
		if next := j.next; !next.IsZero() {
			s.Schedule, s.TimeZone, s.Next = j.Schedule, j.TimeZone, &next
		}
		out.Jobs = append(out.Jobs, s)
	}
	r.mu.Unlock()
	answer(w, out)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // nobody reads any more
}
