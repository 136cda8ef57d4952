package webhook

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pillion-dev/pillion/sidecars"
)

// entryYAML is a catalog entry with one container; its image is what tests vary.
func entryYAML(name, image string) string {
	return `apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata: {name: ` + name + `}
spec:
  description: An entry of the tests.
  parameters:
    level: {type: string, enum: [info, debug], default: info, description: how much to say}
  containers:
    - name: ` + name + `
      image: ` + image + `
      args: [--level=$(params.level)]
      resources:
        requests: {cpu: 10m, memory: 16Mi}
        limits: {cpu: 100m, memory: 32Mi}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
        seccompProfile: {type: RuntimeDefault}
`
}

// testCatalog holds the entries alpha and beta.
func testCatalog(t testing.TB) *sidecars.Catalog {
	t.Helper()
	c, err := sidecars.Load(fstest.MapFS{
		"alpha.yaml": {Data: []byte(entryYAML("alpha", "registry.example/alpha:1"))},
		"beta.yaml":  {Data: []byte(entryYAML("beta", "registry.example/beta:1"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testOptions give a handler with the catalog of the tests.
func testOptions(t testing.TB) Options {
	c := testCatalog(t)
	return Options{Catalog: func() *sidecars.Catalog { return c }, OwnNamespace: "pillion-system"}
}

// answering makes a handler whose core gives that result.
func answering(t testing.TB, res *sidecars.Result) *Handler {
	h := NewHandler(testOptions(t))
	h.inject = func(*sidecars.Workspace, *sidecars.Catalog, *sidecars.Pod, *sidecars.Namespace) *sidecars.Result {
		return res
	}
	return h
}

// reviewOf is a valid review of a Pod that asks for the given sidecars, with things replaced: old, new, old, new, …
func reviewOf(asks string, replace ...string) string {
	text := `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1",` +
		`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},` +
		`"requestKind":{"group":"","version":"v1","kind":"Pod"},"namespace":"shop","operation":"CREATE",` +
		`"userInfo":{"username":"ann","groups":["system:authenticated"]},` +
		`"object":{"kind":"Pod","apiVersion":"v1","metadata":{"generateName":"web-","annotations":{"pillion.dev/inject":"` + asks + `"}},` +
		`"spec":{"containers":[{"name":"app","image":"app:1","resources":{"requests":{"cpu":"1"}}}]},"status":{}},` +
		`"oldObject":null,"dryRun":false,"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"}}}`
	if asks == "" {
		text = strings.Replace(text, `,"annotations":{"pillion.dev/inject":""}`, "", 1)
	}
	return strings.NewReplacer(replace...).Replace(text)
}

// post calls a handler as the API server does.
func post(h http.Handler, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// answerTo is the API server's reading of an answer.
type answerTo struct {
	UID              string
	Allowed          bool
	Status           *struct{ Message, Reason string }
	PatchType        string
	Patch            []byte
	AuditAnnotations map[string]string
	Warnings         []string
}

func readAnswer(t testing.TB, body []byte) answerTo {
	t.Helper()
	var got struct {
		Kind, APIVersion string
		Response         answerTo
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Kind != "AdmissionReview" || got.APIVersion != "admission.k8s.io/v1" {
		t.Fatalf("no review: %v\n%s", err, body)
	}
	return got.Response
}

// logBuffer keeps the lines of a log, and tells of each.
type logBuffer struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan string
}

// newLog makes a log without times, and durations that are always 0.
func newLog(level slog.Level) (*slog.Logger, *logBuffer) {
	b := &logBuffer{lines: make(chan string, 1000)}
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey:
			return slog.Attr{}
		case "durationMicros":
			return slog.Int(a.Key, 0)
		}
		return a
	}})), b
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	b.text.Write(line)
	b.mu.Unlock()
	b.lines <- string(line)
	return len(line), nil
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await waits for a line that holds the text, and gives up after a time that only a failure takes.
func (b *logBuffer) await(t testing.TB, text string) {
	t.Helper()
	giveUp := time.After(time.Minute)
	for {
		select {
		case line := <-b.lines:
			if strings.Contains(line, text) {
				return
			}
		case <-giveUp:
			t.Fatalf("no line with %q; log:\n%s", text, b)
		}
	}
}

// await waits until something holds, and gives up after a time that only a failure takes.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for giveUp := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatal("waited in vain for " + what)
		}
	}
}
