package webhook

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/pillion-dev/pillion/sidecars"
)

func panics(*sidecars.Workspace, *sidecars.Catalog, *sidecars.Pod, *sidecars.Namespace) *sidecars.Result {
	panic("deliberate")
}

func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.GetCounter().GetValue() + out.GetGauge().GetValue()
}

func TestAPanicBecomesAnAnswerAndItsStackIsLoggedOnce(t *testing.T) {
	o := testOptions(t)
	log, lines := newLog(slog.LevelInfo)
	o.Log, o.Metrics = log, NewMetrics()
	h := NewHandler(o)
	h.inject = panics
	want := head + `"allowed":true,"auditAnnotations":{"outcome":"unavailable","reason":"panic"},` +
		`"warnings":["P900: Pillion failed on this Pod; no sidecar was injected"]` + tail
	for range 3 {
		if diff := cmp.Diff(want, post(h, PathMutate, reviewOf("alpha")).Body.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if got := strings.Count(lines.String(), `"stack"`); got != 1 {
		t.Errorf("the stack is logged %d times", got)
	}
	if !strings.Contains(lines.String(), "guard_test.go") {
		t.Error("the stack does not name the place of the panic")
	}
	if got := value(t, o.Metrics.panics); got != 3 {
		t.Errorf("%v panics counted, want 3", got)
	}
	if n := h.inFlight.Load(); n != 0 {
		t.Errorf("%d left in hand", n)
	}
}

func TestPanicsOfManyKindsDoNotFillTheLog(t *testing.T) {
	var l panicLog
	logged := 0
	for i := range 100 {
		if _, first := l.see(fmt.Errorf("number %d", i)); first {
			logged++
		}
	}
	if logged != maxPanicKinds {
		t.Errorf("%d logged, want %d", logged, maxPanicKinds)
	}
	if kind, _ := l.see(strings.Repeat("secret", 1000)); len(kind) > 128 {
		t.Errorf("a kind has %d bytes", len(kind))
	}
}

type panickingBody struct{ *strings.Reader }

func (b panickingBody) Read([]byte) (int, error) { panic("body") }

func TestAPanicBeforeTheUIDIsKnownIsAnErrorOfTheCall(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, PathMutate, panickingBody{})
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	NewHandler(testOptions(t)).ServeHTTP(w, r)
	if got := w.Body.String(); w.Code != 503 || got != "pillion: P900: Pillion failed on this Pod; no sidecar was injected\n" {
		t.Errorf("got %d %q", w.Code, got)
	}
}

func TestAPanicAfterTheAnswerLeavesItAlone(t *testing.T) {
	o := testOptions(t)
	o.Log = slog.New(slog.NewJSONHandler(panickingWriter{}, nil))
	got := post(NewHandler(o), PathMutate, reviewOf("alpha")).Body.String()
	if n := strings.Count(got, `"kind":"AdmissionReview"`); n != 1 {
		t.Errorf("%d answers: %s", n, got)
	}
}

type panickingWriter struct{}

func (panickingWriter) Write(line []byte) (int, error) {
	if strings.Contains(string(line), `"msg":"decision"`) {
		panic("log")
	}
	return len(line), nil
}
