package webhook

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// exposed gives the lines of /metrics that begin with a prefix.
func exposed(t *testing.T, m *Metrics, prefix string) []string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	lines := slices.Collect(strings.Lines(w.Body.String()))
	return slices.DeleteFunc(lines, func(l string) bool { return !strings.HasPrefix(l, prefix) })
}

// exercised gives the metrics of a handler that gave every kind of answer.
func exercised(t *testing.T) *Metrics {
	o := testOptions(t)
	o.Metrics = NewMetrics()
	EmbeddedCatalog(o.Metrics)
	NewDrain(1, 1, o.Metrics)
	h := NewHandler(o)
	for _, review := range []string{
		reviewOf(""), reviewOf("alpha"), reviewOf("beta,alpha"), reviewOf("alpha,alhpa,x\\\"y"), reviewOf("false"),
		reviewOf("", "CREATE", "UPDATE"), "{}",
	} {
		post(h, PathMutate, review)
	}
	return o.Metrics
}

func TestMetricsAreAsPrometheusWantsThem(t *testing.T) {
	families, err := exercised(t).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]promlint.Problem(nil), problems); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRequestsAreCountedByOutcomeReasonAndSidecar(t *testing.T) {
	m := exercised(t)
	want := []string{
		`pillion_admission_requests_total{outcome="denied",reason="unknownSidecar",sidecar="alpha"} 1` + "\n",
		`pillion_admission_requests_total{outcome="denied",reason="unknownSidecar",sidecar="unknown"} 1` + "\n",
		`pillion_admission_requests_total{outcome="injected",reason="",sidecar="alpha"} 2` + "\n",
		`pillion_admission_requests_total{outcome="injected",reason="",sidecar="beta"} 1` + "\n",
		`pillion_admission_requests_total{outcome="rejected",reason="badReview",sidecar=""} 1` + "\n",
		`pillion_admission_requests_total{outcome="skipped",reason="notRequested",sidecar=""} 1` + "\n",
		`pillion_admission_requests_total{outcome="skipped",reason="optedOut",sidecar=""} 1` + "\n",
		`pillion_admission_requests_total{outcome="skipped",reason="otherRequest",sidecar=""} 1` + "\n",
	}
	if diff := cmp.Diff(want, exposed(t, m, "pillion_admission_requests_total{")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"pillion_admission_duration_seconds_count 7\n"}, exposed(t, m, "pillion_admission_duration_seconds_count")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"pillion_admission_requests_in_flight 0\n"}, exposed(t, m, "pillion_admission_requests_in_flight")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheRegistryHoldsThisAndNoMore(t *testing.T) {
	families, err := exercised(t).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		if !regexp.MustCompile(`^(go|process)_`).MatchString(f.GetName()) {
			got = append(got, f.GetName())
		}
	}
	want := []string{
		"pillion_admission_duration_seconds", "pillion_admission_requests_in_flight", "pillion_admission_requests_total",
		"pillion_catalog_entries", "pillion_catalog_entry_errors", "pillion_catalog_info", "pillion_catalog_last_reload_success", "pillion_catalog_reloads_total",
		"pillion_certificate_not_after_seconds", "pillion_draining", "pillion_panics_total",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(families) <= len(want)+10 {
		t.Error("the metrics of the Go runtime or the process are missing")
	}
}
