package drain

import "time"

// counts are what the pipelines have done since the collector started, in log records, and what is queued, in the unit of
// the queue's sizer.
type counts struct{ read, sent, queued float64 }

// progress is what changed when.
type progress struct {
	last               counts
	changed, delivered time.Time // when any count was seen to change, and when sent was
}

func (p *progress) add(seen counts, now time.Time) {
	if p.changed.IsZero() || seen != p.last {
		p.changed = now
	}
	if p.delivered.IsZero() || seen.sent != p.last.sent {
		p.delivered = now
	}
	p.last = seen
}

// done tells whether the collector may stop: the files are read and the queue is empty; or the timeout is over while the
// endpoint takes what an app goes on writing.
func (p *progress) done(now, began time.Time, c *Config) bool {
	quiet := now.Sub(p.changed) >= c.Quiet
	delivering := now.Sub(p.delivered) < c.Quiet
	late := now.Sub(began) >= c.Timeout
	empty := p.last.queued == 0
	return empty && (quiet || late) || late && delivering
}
