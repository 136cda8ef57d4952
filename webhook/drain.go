package webhook

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// Drain lets a server stop without losing a request. From Begin on readiness fails and every answer carries
// "Connection: close", which HTTP/2 turns into GOAWAY, so clients move elsewhere with their next request; until they all
// have, requests are served as ever. Closing idle connections at once, as http.Server does by itself, would race with
// requests on their way.
type Drain struct {
	// quiet is the time without a request after which nobody is left; most bounds the whole wait.
	quiet, most time.Duration
	draining    atomic.Bool
	inHand      atomic.Int64
	// last is the time of the last request's begin or end, in nanoseconds since epoch.
	last    atomic.Int64
	epoch   time.Time
	metrics *Metrics
}

// NewDrain makes a Drain that ends after a time without requests, and at the latest after most.
func NewDrain(quiet, most time.Duration, m *Metrics) *Drain {
	return &Drain{quiet: quiet, most: most, epoch: time.Now(), metrics: m}
}

// Begin starts the drain.
func (d *Drain) Begin() {
	d.touch()
	d.draining.Store(true)
	d.metrics.draining.Set(1)
}

// Draining reports whether Begin was called.
func (d *Drain) Draining() bool { return d.draining.Load() }

// Wrap counts the requests of next and, once the drain has begun, asks their clients to connect anew.
func (d *Drain) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.inHand.Add(1)
		d.touch()
		defer func() {
			d.touch()
			d.inHand.Add(-1)
		}()
		if d.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Wait waits until there has been no request for the quiet time, at the longest for the bound, and no longer than the
// context lives. It reports whether it became quiet.
func (d *Drain) Wait(ctx context.Context) bool {
	end := time.Now().Add(d.most)
	for {
		left := time.Until(d.epoch.Add(time.Duration(d.last.Load()) + d.quiet))
		if left <= 0 && d.inHand.Load() == 0 {
			return true
		}
		if left <= 0 {
			left = d.quiet // a request is in hand; its end starts the quiet time anew
		}
		bound := time.Until(end)
		if bound <= 0 {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(left, bound)):
		}
	}
}

func (d *Drain) touch() { d.last.Store(int64(time.Since(d.epoch))) }
