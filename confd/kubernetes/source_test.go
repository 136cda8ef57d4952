package kubernetes_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/confd/kubernetes"
)

// script is an API server that gives one answer after the other, and then one without an end: it says at will what a real one
// says once in a while.
type script struct {
	mu      sync.Mutex
	asked   []string
	answers []string // CODE BODY
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	q := r.URL.Query()
	s.asked = append(s.asked, fmt.Sprintf("watch=%s from=%s continue=%s", q.Get("watch"), q.Get("resourceVersion"), q.Get("continue")))
	if len(s.answers) == 0 {
		s.mu.Unlock()
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	var code int
	head, body, _ := strings.Cut(s.answers[0], " ")
	_, _ = fmt.Sscan(head, &code)
	s.answers = s.answers[1:]
	s.mu.Unlock()
	w.WriteHeader(code)
	fmt.Fprint(w, body)
}

func list(revision, more, value string) string {
	return fmt.Sprintf(`200 {"metadata":{"resourceVersion":%q,"continue":%q},"items":[{"metadata":{"name":"s","resourceVersion":"1"},"data":{"k":%q}}]}`,
		revision, more, value)
}

func changed(kind, revision, value string) string {
	return fmt.Sprintf(`{"type":%q,"object":{"metadata":{"name":"s","resourceVersion":%q},"data":{"k":%q}}}`+"\n", kind, revision, value)
}

const (
	expired  = `{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version: 5 (9)"}`
	bookmark = `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}` + "\n"
)

func TestAWatchGoesOn(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string
		value   string // of the key in the end; empty: it is not there
		asked   []string
		fails   string
	}{{
		name:    "from the last change, where the API server ends it",
		answers: []string{list("5", "", "a"), "200 " + changed("MODIFIED", "6", "b")},
		value:   "b", asked: []string{"watch= from= continue=", "watch=true from=5 continue=", "watch=true from=6 continue="},
	}, {
		name:    "from a bookmark",
		answers: []string{list("5", "", "a"), "200 " + bookmark},
		value:   "a", asked: []string{"watch= from= continue=", "watch=true from=5 continue=", "watch=true from=7 continue="},
	}, {
		name:    "after a deletion",
		answers: []string{list("5", "", "a"), "200 " + changed("DELETED", "6", "a")},
		asked:   []string{"watch= from= continue=", "watch=true from=5 continue=", "watch=true from=6 continue="},
	}, {
		name:    "after a list, where its revision was compacted in the middle",
		answers: []string{list("5", "", "a"), `200 {"type":"ERROR","object":` + expired + "}\n", list("9", "", "b")},
		value:   "b", asked: []string{"watch= from= continue=", "watch=true from=5 continue=", "watch= from= continue=", "watch=true from=9 continue="},
	}, {
		name:    "after a list, where its revision was compacted before",
		answers: []string{list("5", "", "a"), "410 " + expired, list("9", "", "b")},
		value:   "b", asked: []string{"watch= from= continue=", "watch=true from=5 continue=", "watch= from= continue=", "watch=true from=9 continue="},
	}, {
		name:    "after a list whose second page came too late",
		answers: []string{list("5", "more", "a"), "410 " + expired, list("9", "", "b")},
		value:   "b", asked: []string{"watch= from= continue=", "watch= from= continue=more", "watch= from= continue=", "watch=true from=9 continue="},
	}, {
		name:    "later, where it ends at once",
		answers: []string{list("5", "", "a"), "200 ", list("5", "", "a")},
		value:   "a", fails: "the API server: it ended a watch at once",
		asked: []string{"watch= from= continue=", "watch=true from=5 continue=", "watch= from= continue=", "watch=true from=5 continue="},
	}, {
		name:    "later, where it breaks off",
		answers: []string{list("5", "", "a"), `200 {"type":"MODI`, list("5", "", "a")},
		value:   "a", fails: "the API server: unexpected EOF",
		asked: []string{"watch= from= continue=", "watch=true from=5 continue=", "watch= from= continue=", "watch=true from=5 continue="},
	}, {
		name:    "later, where something else answers",
		answers: []string{"502 <html>", list("5", "", "a")},
		value:   "a", fails: "the API server: 502 Bad Gateway",
		asked: []string{"watch= from= continue=", "watch= from= continue=", "watch=true from=5 continue="},
	}} {
		t.Run(c.name, func(t *testing.T) {
			s := &script{answers: c.answers}
			server := httptest.NewServer(s)
			t.Cleanup(server.Close)
			f := follow(t, &kubernetes.Backend{Server: server.URL, Client: server.Client(), Namespace: "shop", ConfigMaps: []string{"s"}})
			s.await(t, c.asked)
			want := map[string]string{"/configmaps/s/k": c.value}
			if c.value == "" {
				want = map[string]string{}
			}
			f.becomes(want)
			if c.fails != "" {
				f.fails(c.fails)
				return
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if len(f.errs) > 0 {
				t.Errorf("errors: %q", f.errs)
			}
		})
	}
}

// await waits for the last request, then compares all.
func (s *script) await(t *testing.T, want []string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		diff := cmp.Diff(want, s.asked)
		s.mu.Unlock()
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(diff)
		}
	}
}
