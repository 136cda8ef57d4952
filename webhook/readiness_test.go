package webhook

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/sidecars"
)

func get(t *testing.T, h http.Handler, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestReadinessNeedsEveryCheckAndSaysWhichFails(t *testing.T) {
	good := Check{"good", func() (string, error) { return "", nil }}
	noted := Check{"noted", func() (string, error) { return "first\nsecond", nil }}
	bad := Check{"bad", func() (string, error) { return "", errors.New("not yet") }}
	worse := Check{"worse", func() (string, error) { return "more of it", errors.New("never") }}
	for _, c := range []struct {
		name, path, want string
		checks           []Check
		status           int
	}{
		{"ready", "/readyz", "ok\n", []Check{good, noted}, 200},
		{"ready, verbose", "/readyz?verbose", "[+]good ok\n[+]noted ok: first\n    second\n", []Check{good, noted}, 200},
		{"not ready", "/readyz", "[-]bad failed: not yet\n[-]worse failed: never\nnot ready\n", []Check{good, bad, worse}, 503},
		{"not ready, verbose", "/readyz?verbose", "[+]good ok\n[-]bad failed: not yet\n[-]worse failed: never: more of it\n", []Check{good, bad, worse}, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := get(t, NewReadiness(c.checks...), c.path)
			if diff := cmp.Diff(c.want, body); diff != "" || status != c.status {
				t.Errorf("status %d (-want +got):\n%s", status, diff)
			}
		})
	}
}

func TestReadinessTellsOfTheCatalogInForceAndOfOneThatIsNot(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "alpha.yaml", entryYAML("alpha", "registry.example/alpha:1"))
	s, _, _ := catalogDir(t, dir)
	ready := NewReadiness(s.Check())
	inForce := "[+]catalog ok: revision " + s.Current().Revision() + ", 1 entries"
	if status, body := get(t, ready, "/readyz?verbose"); status != 200 || body != inForce+"\n" {
		t.Errorf("got %d %q", status, body)
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		write(t, dir, name+".yaml", "kind: Nothing\n")
	}
	s.reload()
	status, body := get(t, ready, "/readyz?verbose")
	lines := strings.Split(strings.TrimSpace(body), "\n")
	if status != 200 || lines[0] != inForce+"; the last reload failed:" || len(lines) != 1+firstErrors+1 ||
		!strings.HasPrefix(lines[1], "    a.yaml:1:") || !strings.HasPrefix(lines[6], "    and ") {
		t.Errorf("got %d\n%s", status, body)
	}
}

func TestAHandlerIsReadyWhenACannedReviewGetsTheRightAnswer(t *testing.T) {
	o := testOptions(t)
	o.Metrics = NewMetrics()
	h := NewHandler(o)
	for _, c := range []struct {
		name, want string
		inject     func(*sidecars.Workspace, *sidecars.Catalog, *sidecars.Pod, *sidecars.Namespace) *sidecars.Result
	}{
		{"as it is", "", h.inject},
		{"it panics", "a canned review panics: deliberate", panics},
		{"it allows everything", "a canned review gets the wrong answer: ", func(*sidecars.Workspace, *sidecars.Catalog, *sidecars.Pod, *sidecars.Namespace) *sidecars.Result {
			return &sidecars.Result{Outcome: sidecars.Unchanged}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.inject = c.inject
			_, err := h.Check().Run()
			if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if got := exposed(t, o.Metrics, "pillion_admission_requests_total{"); len(got) > 0 {
		t.Errorf("the canned review is counted: %v", got)
	}
}
