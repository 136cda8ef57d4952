package controller

import (
	"net/http"
	"sync"
	"time"
)

// serverClock tells the time as the API server has it, from the Date of its answers: it is the API server that has to find a
// certificate valid, and a node whose clock was set wrongly makes no certificates for another year.
type serverClock struct {
	mu sync.Mutex
	// date is that of an answer, and at when it came, by the clock that no one sets.
	date, at time.Time
}

// wrap has the clock read every answer.
func (c *serverClock) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err == nil {
			c.read(res.Header.Get("Date"))
		}
		return res, err
	})
}

func (c *serverClock) read(date string) {
	t, err := http.ParseTime(date)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.date, c.at = t, time.Now()
}

// now is the API server's time, to a second; before its first answer, and where a proxy drops the Date, this machine's.
func (c *serverClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.date.IsZero() {
		return time.Now().Round(0)
	}
	return c.date.Add(time.Since(c.at))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
