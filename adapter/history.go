package adapter

import (
	"fmt"
	"time"
)

// The bounds of what is kept for rates: points of one series, and series of one rate.
const (
	maxPoints      = 120
	maxRatedSeries = 500
	maxWindow      = time.Hour
)

// history keeps the points of one selector's series over one window.
type history struct {
	selector *selector
	window   time.Duration
	series   map[string]*points
	// seen are the sources that answered in the round before, at that time: a counter of theirs which is new since then began at 0.
	seen   map[string]bool
	before time.Time
	// many is the number of series where there are more than are kept.
	many int
}

type points struct {
	list   []point
	source string
	last   time.Time
}

type point struct {
	at    time.Time
	value float64
}

func newHistory(s *selector, window time.Duration) *history {
	return &history{selector: s, window: window, series: map[string]*points{}, seen: map[string]bool{}}
}

// observe takes the values of a round; answered are the sources that gave any.
func (h *history) observe(now time.Time, all families, label string, answered map[string]bool) {
	h.many = 0
	all.each(h.selector, func(s sample) {
		key := s.key()
		p := h.series[key]
		if p == nil {
			if len(h.series) >= maxRatedSeries {
				h.many++
				return
			}
			p = &points{source: labelValue(s, label)}
			if s.counts && h.seen[p.source] {
				p.list = append(p.list, point{h.before, 0})
			}
			h.series[key] = p
		}
		p.last = now
		// Points closer together than the window allows for replace each other.
		point := point{now, s.value}
		if n := len(p.list); n >= 2 && now.Sub(p.list[n-2].at) < h.window/maxPoints {
			p.list[n-1] = point
			return
		}
		p.list = append(p.list, point)
	})
	h.forget(now)
	h.seen, h.before = answered, now
}

// forget drops what is out of the window, but for the one point that begins it.
func (h *history) forget(now time.Time) {
	begin := now.Add(-h.window)
	for key, p := range h.series {
		n := 0
		for n+1 < len(p.list) && !p.list[n+1].at.After(begin) {
			n++
		}
		p.list = p.list[n:]
		if p.last.Before(begin) {
			delete(h.series, key)
		}
	}
}

// increase is how much the series grew over the window, in all, and rate how much a second. A counter that falls began anew.
func (h *history) increase() (grown, rate float64, err error) {
	if h.many > 0 {
		return 0, 0, fmt.Errorf("%s: %d series; the rate of at most %d is kept: select fewer", h.selector.name, len(h.series)+h.many, maxRatedSeries)
	}
	known := false
	for _, p := range h.series {
		if len(p.list) < 2 {
			continue
		}
		known = true
		sum := 0.0
		for i := 1; i < len(p.list); i++ {
			if d := p.list[i].value - p.list[i-1].value; d >= 0 {
				sum += d
			} else {
				sum += p.list[i].value
			}
		}
		grown += sum
		rate += sum / p.list[len(p.list)-1].at.Sub(p.list[0].at).Seconds()
	}
	if !known {
		return 0, 0, fmt.Errorf("%s: two values are needed for a rate", h.selector.name)
	}
	return grown, rate, nil
}

func labelValue(s sample, label string) string {
	for _, l := range s.metric.GetLabel() {
		if l.GetName() == label {
			return l.GetValue()
		}
	}
	return ""
}
