package webhook

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

func TestBudgetIsTheTimeoutLessTheWayBack(t *testing.T) {
	for query, want := range map[string]time.Duration{
		"":                     1800 * time.Millisecond,
		"timeout=2s":           1800 * time.Millisecond,
		"timeout=10s":          9800 * time.Millisecond,
		"timeout=250ms":        125 * time.Millisecond,
		"timeout=1h":           30 * time.Second,
		"timeout=0s":           1800 * time.Millisecond,
		"timeout=-1s":          1800 * time.Millisecond,
		"timeout=soon":         1800 * time.Millisecond,
		"timeout=":             1800 * time.Millisecond,
		"dry=1&timeout=5s":     4800 * time.Millisecond,
		"timeout=5s&timeout=1": 4800 * time.Millisecond,
		"timeout=1%73":         800 * time.Millisecond,
		"other=1":              1800 * time.Millisecond,
		"%zz":                  1800 * time.Millisecond,
	} {
		if got := budget(query); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
}

// slowBody gives its text and then, after a time, an end.
type slowBody struct {
	text io.Reader
	wait time.Duration
	end  error
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if err == io.EOF {
		time.Sleep(b.wait) // in the test's bubble, where time is false
		err = b.end
	}
	return n, err
}

const allowedLate = head + `"allowed":true,"auditAnnotations":{"outcome":"unavailable","reason":"deadline"},` +
	`"warnings":["P901: the review reached Pillion too late; no sidecar was injected"]` + tail

func TestAReviewThatIsTooLateIsAnsweredUndecided(t *testing.T) {
	for _, c := range []struct {
		name string
		body *slowBody
		want string
	}{
		{"whole, in time", &slowBody{strings.NewReader(reviewOf("")), 1800 * time.Millisecond, io.EOF}, head + `"allowed":true` + tail},
		{"whole, too late", &slowBody{strings.NewReader(reviewOf("")), 1801 * time.Millisecond, io.EOF}, allowedLate},
		{"cut off by the deadline", &slowBody{strings.NewReader(reviewOf("alpha")[:400]), 0, fmt.Errorf("read: %w", os.ErrDeadlineExceeded)}, allowedLate},
		{"cut off before its uid", &slowBody{strings.NewReader(reviewOf("alpha")[:60]), 0, os.ErrDeadlineExceeded},
			"pillion: P901: the review reached Pillion too late; no sidecar was injected\n"},
		{"broken off", &slowBody{strings.NewReader(reviewOf("alpha")[:400]), 0, io.ErrUnexpectedEOF}, "pillion: the body did not arrive whole\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := httptest.NewRequest(http.MethodPost, PathMutate+"?timeout=2s", c.body)
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				NewHandler(testOptions(t)).ServeHTTP(w, r)
				if diff := cmp.Diff(c.want, w.Body.String()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestOneReviewTooManyIsAnsweredAtOnce(t *testing.T) {
	o := testOptions(t)
	o.MaxInFlight = 2
	h := NewHandler(o)
	entered, leave := make(chan bool), make(chan bool)
	h.inject = func(*sidecars.Workspace, *sidecars.Catalog, *sidecars.Pod, *sidecars.Namespace) *sidecars.Result {
		entered <- true
		<-leave
		return &sidecars.Result{Outcome: sidecars.Unchanged}
	}
	answers := make(chan string)
	for range 2 {
		go func() { answers <- post(h, PathMutate, reviewOf("alpha")).Body.String() }()
		<-entered
	}
	want := head + `"allowed":true,"auditAnnotations":{"outcome":"unavailable","reason":"busy"},` +
		`"warnings":["P902: Pillion has too many reviews in hand; no sidecar was injected"]` + tail
	if diff := cmp.Diff(want, post(h, PathMutate, reviewOf("alpha")).Body.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w := post(h, PathMutate, ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a review without uid gets %d, want 503", w.Code)
	}
	close(leave)
	for range 2 {
		if got := readAnswer(t, []byte(<-answers)); got.AuditAnnotations["outcome"] != "unchanged" {
			t.Errorf("got %+v", got)
		}
	}
	if n := h.inFlight.Load(); n != 0 {
		t.Errorf("%d left in hand", n)
	}
}

func TestBodiesInHandTogetherAreBounded(t *testing.T) {
	h := NewHandler(testOptions(t))
	h.bodyBytes.Store(maxBodyBytes - 100<<10)
	large := reviewOf("alpha", `"status":{}`, `"status":"`+strings.Repeat("x", 200<<10)+`"`)
	if got := readAnswer(t, post(h, PathMutate, large).Body.Bytes()); got.AuditAnnotations["reason"] != "busy" {
		t.Errorf("a large body is taken: %+v", got)
	}
	if got := readAnswer(t, post(h, PathMutate, reviewOf("alpha")).Body.Bytes()); got.AuditAnnotations["outcome"] != "injected" {
		t.Errorf("a small body is not taken: %+v", got)
	}
	h.bodyBytes.Store(0)
	if got := readAnswer(t, post(h, PathMutate, large).Body.Bytes()); got.AuditAnnotations["outcome"] != "injected" {
		t.Errorf("a large body is not taken: %+v", got)
	}
	if n := h.bodyBytes.Load(); n != 0 {
		t.Errorf("%d bytes are not given back", n)
	}
}

func TestWhereSidecarsAreRequiredNoFailureLetsAPodThrough(t *testing.T) {
	known := func(label string) func(string) (sidecars.Namespace, bool) {
		return func(name string) (sidecars.Namespace, bool) {
			return sidecars.Namespace{Name: name, Labels: map[string]string{v1alpha1.LabelInjection: label}}, true
		}
	}
	unknown := func(name string) (sidecars.Namespace, bool) { return sidecars.Namespace{Name: name}, false }
	for _, c := range []struct {
		name, path string
		namespace  func(string) (sidecars.Namespace, bool)
		inject     func(*sidecars.Workspace, *sidecars.Catalog, *sidecars.Pod, *sidecars.Namespace) *sidecars.Result
		want       string
	}{
		{"panic, by its Namespace", PathMutate, known("required"), panics, "P900: Pillion failed on this Pod; the Namespace requires sidecars, so the Pod is refused: try again"},
		{"panic, by its path", PathRequired, known("enabled"), panics, "P900: Pillion failed on this Pod; the Namespace requires sidecars, so the Pod is refused: try again"},
		{"unknown Namespace, by its path", PathRequired, unknown, nil, "P904: Pillion does not know this Namespace yet; the Namespace requires sidecars, so the Pod is refused: try again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOptions(t)
			o.Namespace = c.namespace
			h := NewHandler(o)
			if c.inject != nil {
				h.inject = c.inject
			}
			got := readAnswer(t, post(h, c.path, reviewOf("alpha")).Body.Bytes())
			if got.Allowed || got.Status.Reason != "ServiceUnavailable" || got.Status.Message != c.want {
				t.Errorf("got %+v, status %+v", got, got.Status)
			}
		})
	}
}

func TestThePathOfRequiredNamespacesOverridesALabelNotSeenYet(t *testing.T) {
	o := testOptions(t)
	shared := map[string]string{"team": "a"}
	o.Namespace = func(name string) (sidecars.Namespace, bool) {
		return sidecars.Namespace{Name: name, Labels: shared}, true
	}
	h := NewHandler(o)
	var got map[string]string
	h.inject = func(_ *sidecars.Workspace, _ *sidecars.Catalog, _ *sidecars.Pod, ns *sidecars.Namespace) *sidecars.Result {
		got = ns.Labels
		return &sidecars.Result{Outcome: sidecars.Unchanged}
	}
	post(h, PathRequired, reviewOf("alpha"))
	want := map[string]string{"team": "a", v1alpha1.LabelInjection: v1alpha1.InjectionRequired}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"team": "a"}, shared); diff != "" {
		t.Errorf("the shared labels were changed (-want +got):\n%s", diff)
	}
}
