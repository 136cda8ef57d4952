package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/confd"
)

// Pauses between attempts of a reload that did not succeed.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
	// callTimeout is for a reload by HTTP.
	callTimeout = 10 * time.Second
)

// reloader has apps read their files again. However many changes there are, an app is reloaded at most once in an interval,
// and always once after the last change. What does not succeed is tried until it does.
type reloader struct {
	interval time.Duration
	log      *slog.Logger
	metrics  *Metrics
	client   *http.Client

	mu      sync.Mutex
	targets map[confd.Reload]*target
	group   sync.WaitGroup

	// once has a request made at once, one time only; errs are of those.
	once bool
	errs []error
}

func newReloader(interval time.Duration, log *slog.Logger, metrics *Metrics) *reloader {
	client := &http.Client{Timeout: callTimeout, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: (&net.Dialer{Timeout: callTimeout}).DialContext}}
	return &reloader{interval: interval, log: log, metrics: metrics, client: client, targets: map[confd.Reload]*target{}}
}

// target is one app, or one way to reach it.
type target struct {
	confd.Reload
	kick chan struct{}

	mu      sync.Mutex
	pending *change // nil: nothing to do
	owed    bool    // something is pending or in hand
}

// change is why an app has to reload: a file that was swapped at a time since the machine's start.
type change struct {
	dest     string
	swapped  time.Duration
	interval time.Duration // between reloads, where the resource wants a longer one
}

// request asks for a reload; the context ends the target's work.
func (r *reloader) request(ctx context.Context, how confd.Reload, c change) {
	if r.once {
		// What does not run yet, as for an init container, reads the file when it starts.
		if err := r.attempt(ctx, how, &c); err != nil && !errors.Is(err, errNoProcess) && !errors.Is(err, syscall.ECONNREFUSED) {
			r.errs = append(r.errs, fmt.Errorf("reload: %w", err))
		}
		return
	}
	r.mu.Lock()
	t := r.targets[how]
	if t == nil {
		t = &target{Reload: how, kick: make(chan struct{}, 1)}
		r.targets[how] = t
		r.group.Go(func() { r.serve(ctx, t) })
	}
	r.mu.Unlock()
	t.mu.Lock()
	if t.pending != nil {
		r.metrics.coalesced.Inc()
		c.interval = max(c.interval, t.pending.interval)
	}
	if !t.owed {
		t.owed = true
		r.metrics.pending.Inc()
	}
	t.pending = &c
	t.mu.Unlock()
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

// serve reloads one target whenever there is something pending.
func (r *reloader) serve(ctx context.Context, t *target) {
	var last time.Time
	retry, said := firstRetry, ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.kick:
		}
		for c := t.take(); c != nil; c = t.take() {
			if !pause(ctx, time.Until(last.Add(max(r.interval, c.interval)))) {
				return
			}
			if later := t.take(); later != nil { // what came meanwhile is in the same reload
				r.metrics.coalesced.Inc()
				c = later
			}
			last = time.Now()
			err := r.attempt(ctx, t.Reload, c)
			if err == nil {
				t.settle(r.metrics.pending)
				retry, said = firstRetry, ""
				continue
			}
			if err.Error() != said && ctx.Err() == nil {
				said = err.Error()
				level := slog.LevelWarn
				if isWaiting(err) { // as at every start of a Pod
					level = slog.LevelInfo
				}
				r.log.Log(ctx, level, "the app is not reloaded yet; trying on", "error", said)
			}
			t.restore(c)
			if !pause(ctx, retry) {
				return
			}
			last, retry = time.Time{}, min(2*retry, lastRetry)
			if errors.Is(err, errYoung) {
				retry = firstRetry // it is not for long
			}
		}
	}
}

// settle says that nothing is owed, unless something newer came.
func (t *target) settle(pending prometheus.Gauge) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending == nil {
		t.owed = false
		pending.Dec()
	}
}

// take takes what is pending, or nil.
func (t *target) take() *change {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.pending
	t.pending = nil
	return c
}

// restore puts back what was not done, unless something newer came.
func (t *target) restore(c *change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending == nil {
		t.pending = c
	}
}

// pause waits, and reports whether to go on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// attempt reloads once.
func (r *reloader) attempt(ctx context.Context, t confd.Reload, c *change) error {
	kind, sent, err := "command", 1, error(nil)
	switch {
	case t.Process != "":
		kind = "signal"
		sent, err = signalProcess(t.Process, t.Signal, c.dest, c.swapped)
	case t.URL != "":
		kind, err = "http", r.post(ctx, t.URL)
	default:
		err = runCommand(ctx, t.Command, t.Timeout, map[string]string{"dest": c.dest, "src": c.dest})
	}
	result := "done"
	switch {
	case isWaiting(err):
		result = "waiting"
	case err != nil:
		result = "failed"
	case sent == 0:
		result = "unneeded"
	}
	r.metrics.reloads.WithLabelValues(kind, result).Inc()
	if err == nil {
		r.log.Info("reload", "kind", kind, "result", result, "process", t.Process, "signals", sent)
	}
	return err
}

// isWaiting reports whether the app is not so far yet.
func isWaiting(err error) bool {
	return errors.Is(err, errNoProcess) || errors.Is(err, errNotHandled) || errors.Is(err, errYoung)
}

func (r *reloader) post(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("POST %s: %s", url, res.Status)
	}
	return nil
}
