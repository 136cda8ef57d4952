package drain

import (
	"context"
	"fmt"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// The collector's own metrics that tell how far its pipelines are.
const (
	readMetric   = "otelcol_receiver_accepted_log_records_total"
	sentMetric   = "otelcol_exporter_sent_log_records_total"
	queuedMetric = "otelcol_exporter_queue_size"
)

// counts reads the collector's own metrics. One that is not there yet has counted nothing.
func (d *Drain) counts(ctx context.Context) (counts, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.config.Metrics, nil)
	if err != nil {
		return counts{}, err
	}
	res, err := d.client.Do(req)
	if err != nil {
		return counts{}, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return counts{}, fmt.Errorf("%s: %s", d.config.Metrics, res.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	return counts{read: sum(families[readMetric]), sent: sum(families[sentMetric]), queued: sum(families[queuedMetric])}, err
}

// sum adds a family's samples; one of the three values of a sample is set.
func sum(family *dto.MetricFamily) (total float64) {
	for _, m := range family.GetMetric() {
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
	}
	return total
}
