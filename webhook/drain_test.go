package webhook

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// callThrough makes one request that takes the given time, and gives the answer's Connection header.
func callThrough(d *Drain, takes time.Duration) string {
	h := d.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(takes) }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, PathMutate, nil))
	return w.Header().Get("Connection")
}

func TestDrainWaitsForQuiet(t *testing.T) {
	for _, c := range []struct {
		name string
		// requests are made at these times after Begin.
		requests []time.Duration
		takes    time.Duration
		ends     time.Duration
		quiet    bool
	}{
		{"no request", nil, 0, 5 * time.Second, true},
		{"one request", []time.Duration{3 * time.Second}, 0, 8 * time.Second, true},
		{"each request starts the quiet time anew", []time.Duration{1 * time.Second, 4 * time.Second, 8 * time.Second}, 0, 13 * time.Second, true},
		{"a request counts from its end", []time.Duration{time.Second}, 9 * time.Second, 15 * time.Second, true},
		{"no end of requests", []time.Duration{4 * time.Second, 8 * time.Second, 12 * time.Second, 16 * time.Second, 19 * time.Second}, 0, 20 * time.Second, false},
		{"a request that hangs", []time.Duration{time.Second}, time.Minute, 20 * time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDrain(5*time.Second, 20*time.Second, NewMetrics())
				time.Sleep(time.Hour)
				begin := time.Now()
				d.Begin()
				for _, at := range c.requests {
					time.AfterFunc(at, func() { callThrough(d, c.takes) })
				}
				quiet := d.Wait(t.Context())
				if took := time.Since(begin); took != c.ends || quiet != c.quiet {
					t.Errorf("ended after %s, quiet %v; want %s, %v", took, quiet, c.ends, c.quiet)
				}
				time.Sleep(time.Hour) // in the bubble's time: the last request ends
			})
		})
	}
}

func TestDrainAsksClientsToConnectAnewAndFailsReadiness(t *testing.T) {
	m := NewMetrics()
	d := NewDrain(time.Second, time.Second, m)
	ready := func() int {
		w := httptest.NewRecorder()
		NewReadiness(d.Check()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w.Code
	}
	if got, code := callThrough(d, 0), ready(); got != "" || code != 200 {
		t.Errorf("before: Connection %q, readiness %d", got, code)
	}
	d.Begin()
	if got, code := callThrough(d, 0), ready(); got != "close" || code != 503 {
		t.Errorf("after: Connection %q, readiness %d", got, code)
	}
	if got := value(t, m.draining); got != 1 {
		t.Errorf("pillion_draining is %v", got)
	}
}

func TestDrainEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDrain(5*time.Second, 20*time.Second, NewMetrics())
		d.Begin()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if quiet := d.Wait(ctx); quiet || time.Since(begin) != time.Second {
			t.Errorf("quiet %v after %s", quiet, time.Since(begin))
		}
	})
}
