package failsafe

import (
	"bytes"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metrics gives what the API server counts, by family.
func (b *bed) metrics(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	text, err := b.kube.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// ours gives the metrics of a family that are of our webhooks for Pods.
func (b *bed) ours(t *testing.T, family string) []*dto.Metric {
	t.Helper()
	var out []*dto.Metric
	if f := b.metrics(t)[family]; f != nil {
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if l.GetName() == "name" && strings.HasSuffix(l.GetValue(), ".pillion.dev") {
					out = append(out, m)
				}
			}
		}
	}
	return out
}

// calls gives how often the API server has called, or tried to call, our webhooks.
func (b *bed) calls(t *testing.T) (n int) {
	t.Helper()
	for _, m := range b.ours(t, "apiserver_admission_webhook_request_total") {
		n += int(m.GetCounter().GetValue())
	}
	return n
}

// failedOpen gives how often a call failed and was ignored.
func (b *bed) failedOpen(t *testing.T) (n int) {
	t.Helper()
	for _, m := range b.ours(t, "apiserver_admission_webhook_fail_open_count") {
		n += int(m.GetCounter().GetValue())
	}
	return n
}

// within gives how many calls there were, and how many of them took at most so many seconds.
func (b *bed) within(t *testing.T, seconds float64) (all, within uint64) {
	t.Helper()
	for _, m := range b.ours(t, "apiserver_admission_webhook_admission_duration_seconds") {
		all += m.GetHistogram().GetSampleCount()
		for _, bucket := range m.GetHistogram().Bucket {
			if bucket.GetUpperBound() == seconds {
				within += bucket.GetCumulativeCount()
			}
		}
	}
	return all, within
}
