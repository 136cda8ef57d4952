package adapter

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// round is what all sources said at one time. It is not changed any more once it is made.
type round struct {
	at        time.Time
	families  families
	results   []result
	conflicts []conflict
}

// result is what became of one source in a round.
type result struct {
	source string
	// err is nil where the source gave all that was asked of it.
	err    error
	reason string // of err
	took   time.Duration
	series int
	bytes  int
}

// up: the source gave something.
func (r *result) up() bool { return r.err == nil || r.series > 0 }

// answered names the sources that gave something.
func (r *round) answered() map[string]bool {
	out := make(map[string]bool, len(r.results))
	for i := range r.results {
		out[r.results[i].source] = r.results[i].up()
	}
	return out
}

// gatherer makes rounds, never two at a time.
type gatherer struct {
	config  *Config
	metrics *stateMetrics
	flight  singleflight.Group

	mu   sync.Mutex
	last *round
}

// round gives one that is at most so old: the last, the one under way, or a new one.
func (g *gatherer) round(ctx context.Context, fresh time.Duration) (*round, error) {
	g.mu.Lock()
	last := g.last
	g.mu.Unlock()
	if last != nil && time.Since(last.at) < fresh {
		return last, nil
	}
	// The round belongs to all who wait for it, so that it does not end with the first of them.
	made := g.flight.DoChan("", func() (any, error) {
		r := g.gather(context.WithoutCancel(ctx))
		g.mu.Lock()
		g.last = r
		g.mu.Unlock()
		return r, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-made:
		return r.Val.(*round), nil
	}
}

// gather asks all sources at once, and makes of the answers one page, in the sources' order.
func (g *gatherer) gather(ctx context.Context) *round {
	ctx, cancel := context.WithTimeout(ctx, g.config.Timeout)
	defer cancel()
	answers, failures := make([]*answer, len(g.config.Sources)), make([]error, len(g.config.Sources))
	var b budget
	b.left.Store(int64(g.config.MaxAnswerBytes))
	var asked sync.WaitGroup
	for i, s := range g.config.Sources {
		asked.Go(func() { answers[i], failures[i] = s.fetch(ctx, &b) })
	}
	asked.Wait()

	r := &round{at: time.Now(), results: make([]result, len(answers))}
	page, left := newMerge(g.config.Label), g.config.MaxSeries
	for i, s := range g.config.Sources {
		r.results[i] = g.read(s, answers[i], failures[i], page, &left)
		answers[i] = nil
	}
	g.metrics.round(r, page.conflicts)
	r.conflicts = page.conflicts
	page.add(ownSource, g.metrics.families(), true)
	r.families = page.families
	return r
}

// read makes metrics of a source's answer and adds them to the page, where there is room for them.
func (g *gatherer) read(s *Source, a *answer, err error, page *merge, left *int) result {
	out := result{source: s.Name}
	if err == nil {
		var all families
		out.took, out.bytes = a.took, len(a.body)
		if s.kind == kindPage {
			all, err = s.page(a)
		} else {
			all, err = parseMetrics(a, *left)
		}
		if n := all.series(); n > *left {
			all, err = nil, tooMany(n, *left)
		}
		out.series = page.add(s.Name, all, false)
		*left -= out.series
	}
	if err != nil {
		out.err, out.reason = err, reasonConnect
		var f *failure
		if errors.As(err, &f) {
			out.reason = f.reason
		}
	}
	return out
}
