package adapter

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// parseMetrics reads Prometheus' text format or OpenMetrics', of at most that many series.
func parseMetrics(a *answer, most int) (families, error) {
	text := a.body
	media, _, _ := mime.ParseMediaType(a.contentType) // none, as of a file, or a wrong one: the text decides
	if media == "application/openmetrics-text" || bytes.HasSuffix(bytes.TrimRight(text, "\n"), []byte("\n# EOF")) {
		var err error
		if text, err = fromOpenMetrics(text); err != nil {
			return nil, &failure{reasonParse, err}
		}
	}
	// Counted before anything is made of them: a parsed series is much larger than its line.
	if n := countSamples(text); n > most {
		return nil, tooMany(n, most)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, &failure{reasonParse, errors.New(cut(err.Error()))}
	}
	return tidy(all), nil
}

func tooMany(n, most int) error {
	return &failure{reasonSeries, fmt.Errorf("%d series, and maxSeries leaves room for %d", n, most)}
}

func countSamples(text []byte) int {
	n := 0
	for line := range bytes.Lines(text) {
		if line = bytes.TrimLeft(line, " \t\r\n"); len(line) > 0 && line[0] != '#' {
			n++
		}
	}
	return n
}

// tidy leaves out families without a series, and orders labels by name.
func tidy(all families) families {
	for name, mf := range all {
		if len(mf.Metric) == 0 {
			delete(all, name)
			continue
		}
		for _, m := range mf.Metric {
			slices.SortStableFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
		}
	}
	return all
}

func sortedNames(all families) []string { return slices.Sorted(maps.Keys(all)) }

// series counts what the families are written as.
func (f families) series() int {
	n := 0
	for _, mf := range f {
		for _, m := range mf.Metric {
			n += size(m)
		}
	}
	return n
}
