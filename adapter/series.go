package adapter

import (
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// families are metrics by name.
type families map[string]*dto.MetricFamily

// sample is one series' value now.
type sample struct {
	metric *dto.Metric
	// extra is the label that a bucket (le) or a quantile has besides the metric's own.
	extra, extraValue string
	value             float64
	// counts: it only ever grows, from 0.
	counts bool
}

// each calls yield with every series that the selector means. A histogram is name_bucket, name_sum and name_count, a summary
// name with the label quantile, name_sum and name_count, as in Prometheus.
func (f families) each(s *selector, yield func(sample)) {
	matching := func(mf *dto.MetricFamily, expand func(m *dto.Metric, yield func(sample))) {
		for _, m := range mf.GetMetric() {
			expand(m, func(out sample) {
				out.metric = m
				if s.matches(m.GetLabel(), out.extra, out.extraValue) {
					yield(out)
				}
			})
		}
	}
	if mf := f[s.name]; mf != nil {
		matching(mf, simple)
	}
	for suffix, expand := range map[string]func(*dto.Metric, func(sample)){"_bucket": buckets, "_sum": sums, "_count": counts} {
		base, ok := strings.CutSuffix(s.name, suffix)
		if mf := f[base]; ok && mf != nil {
			matching(mf, expand)
		}
	}
}

func simple(m *dto.Metric, yield func(sample)) {
	switch {
	case m.Gauge != nil:
		yield(sample{value: m.Gauge.GetValue()})
	case m.Counter != nil:
		yield(sample{value: m.Counter.GetValue(), counts: true})
	case m.Untyped != nil:
		yield(sample{value: m.Untyped.GetValue()})
	}
	for _, q := range m.GetSummary().GetQuantile() {
		yield(sample{extra: "quantile", extraValue: number(q.GetQuantile()), value: q.GetValue()})
	}
}

func buckets(m *dto.Metric, yield func(sample)) {
	infinite := false
	for _, b := range m.GetHistogram().GetBucket() {
		le := number(b.GetUpperBound())
		infinite = infinite || le == "+Inf"
		yield(sample{extra: "le", extraValue: le, value: cumulative(b), counts: true})
	}
	if m.Histogram != nil && !infinite && len(m.Histogram.GetBucket()) > 0 {
		yield(sample{extra: "le", extraValue: "+Inf", value: total(m.Histogram), counts: true})
	}
}

func sums(m *dto.Metric, yield func(sample)) {
	switch {
	case m.Histogram != nil:
		yield(sample{value: m.Histogram.GetSampleSum(), counts: true})
	case m.Summary != nil:
		yield(sample{value: m.Summary.GetSampleSum(), counts: true})
	}
}

func counts(m *dto.Metric, yield func(sample)) {
	switch {
	case m.Histogram != nil:
		yield(sample{value: total(m.Histogram), counts: true})
	case m.Summary != nil:
		yield(sample{value: float64(m.Summary.GetSampleCount()), counts: true})
	}
}

// A histogram counts in whole numbers or in fractions.
func total(h *dto.Histogram) float64 {
	if h.SampleCountFloat != nil {
		return h.GetSampleCountFloat()
	}
	return float64(h.GetSampleCount())
}

func cumulative(b *dto.Bucket) float64 {
	if b.CumulativeCountFloat != nil {
		return b.GetCumulativeCountFloat()
	}
	return float64(b.GetCumulativeCount())
}

func number(v float64) string {
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// key is one text for one series, whatever the order of its labels.
func (s *sample) key() string {
	return labelsKey(s.metric.GetLabel()) + "\xfe" + s.extraValue
}

// size counts the series that a metric is written as.
func size(m *dto.Metric) int {
	n := 1
	if h := m.GetHistogram(); h != nil {
		n = len(h.GetBucket()) + len(h.GetPositiveDelta()) + len(h.GetNegativeDelta()) + 3
	}
	if s := m.GetSummary(); s != nil {
		n = len(s.GetQuantile()) + 2
	}
	return n
}
