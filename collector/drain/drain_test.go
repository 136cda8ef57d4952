package drain

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestProgress(t *testing.T) {
	config := &Config{Quiet: time.Second, Timeout: 10 * time.Second}
	type seen struct {
		after time.Duration
		counts
	}
	for _, c := range []struct {
		name string
		seen []seen
		want bool
	}{
		{"nothing was ever read", []seen{{0, counts{}}, {time.Second, counts{}}}, true},
		{"not quiet for long enough", []seen{{0, counts{5, 5, 0}}, {900 * time.Millisecond, counts{5, 5, 0}}}, false},
		{"read a moment ago", []seen{{0, counts{5, 5, 0}}, {time.Second, counts{6, 5, 0}}}, false},
		{"all is sent", []seen{{0, counts{5, 4, 0}}, {100 * time.Millisecond, counts{5, 5, 0}}, {1100 * time.Millisecond, counts{5, 5, 0}}}, true},
		{"quiet, but queued", []seen{{0, counts{5, 4, 1}}, {5 * time.Second, counts{5, 4, 1}}}, false},
		{"late, and nobody takes what is queued", []seen{{0, counts{5, 4, 1}}, {time.Minute, counts{5, 4, 1}}}, false},
		{"late, and the app goes on writing", []seen{{0, counts{5, 4, 1}}, {10 * time.Second, counts{50, 49, 1}}}, true},
		{"late, all is sent, and the app goes on writing", []seen{{0, counts{5, 5, 0}}, {10 * time.Second, counts{6, 5, 0}}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p progress
			began := time.Unix(0, 0)
			now := began
			for _, s := range c.seen {
				now = began.Add(s.after)
				p.add(s.counts, now)
			}
			if got := p.done(now, began, config); got != c.want {
				t.Errorf("done is %t, want %t", got, c.want)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	page := `# TYPE otelcol_receiver_accepted_log_records_total counter
otelcol_receiver_accepted_log_records_total{receiver="a"} 3
otelcol_receiver_accepted_log_records_total{receiver="b"} 4
# TYPE otelcol_exporter_queue_size gauge
otelcol_exporter_queue_size{exporter="a"} 512
`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }))
	defer server.Close()
	d := newDrain(&Config{Metrics: server.URL}, zap.NewNop())
	got, err := d.counts(t.Context())
	if want := (counts{read: 7, queued: 512}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	page = "{"
	if _, err := d.counts(t.Context()); err == nil {
		t.Error("a page that is no metrics is read")
	}
}

// TestNoMetrics does not hold a collector up whose metrics nobody can read.
func TestNoMetrics(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if err := newDrain(&Config{Metrics: server.URL, Quiet: time.Second, Timeout: time.Hour}, zap.NewNop()).NotReady(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	good := NewFactory().CreateDefaultConfig().(*Config)
	if err := good.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	err := (&Config{Metrics: "8888", Quiet: time.Millisecond}).Validate()
	for _, want := range []string{`metrics: "8888" is no http URL`, "quiet: 1ms is shorter than 100ms", "timeout: 0s is shorter than quiet, 1ms"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
}
