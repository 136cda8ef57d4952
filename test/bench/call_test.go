package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"

	"github.com/pillion-dev/pillion/webhook"
)

// call makes a request as a server does, lets the handler answer it, and keeps the answer until the next.
type call struct {
	handler http.Handler
	review  []byte
	answer  answer
}

// answer is an http.ResponseWriter.
type answer struct {
	header http.Header
	status int
	body   []byte
}

// SetReadDeadline is there as a server's writer has it.
func (a *answer) SetReadDeadline(time.Time) error { return nil }

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }
func (a *answer) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}

func (c *call) do() {
	r, err := http.NewRequest(http.MethodPost, "https://pillion.example"+webhook.PathMutate+"?timeout=10s", bytes.NewReader(c.review))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	c.answer = answer{header: http.Header{}, body: c.answer.body[:0]}
	c.handler.ServeHTTP(&c.answer, r)
}

// patch asks once and gives the patch.
func (c *call) patch(t testing.TB) []byte {
	t.Helper()
	c.do()
	var got struct {
		Response struct {
			Allowed bool
			Patch   []byte
			Status  any
		}
	}
	if err := json.Unmarshal(c.answer.body, &got); err != nil || !got.Response.Allowed || got.Response.Patch == nil {
		t.Fatalf("no patch in the answer: %v\n%s", err, c.answer.body)
	}
	return got.Response.Patch
}

// both gives the two ways to do a work.
func both(t testing.TB, w *work, ours http.Handler) (pillions, usuals *call) {
	t.Helper()
	pillions = &call{handler: ours, review: w.review}
	after := patched(t, w.object, pillions.patch(t))
	usuals = &call{handler: usualWay(t, typed(t, w.object), typed(t, after)), review: w.review}
	return pillions, usuals
}

func patched(t testing.TB, object, patch []byte) []byte {
	t.Helper()
	ops, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		t.Fatal(err)
	}
	after, err := ops.Apply(object)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

func typed(t testing.TB, object []byte) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	if err := json.Unmarshal(object, pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// nothing reads the body and answers with one that is always the same: what a call costs by itself.
var nothing = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = w.Write([]byte(`{"kind":"AdmissionReview"}`))
})

// cpuOf runs a call until it has used about that much CPU time, of the whole process: the garbage collector's threads
// count, the time that other processes take does not.
func cpuOf(t testing.TB, c *call, about time.Duration) time.Duration {
	t.Helper()
	const batch = 8
	began := cpuTime(t)
	for n := time.Duration(batch); ; n += batch {
		for range batch {
			c.do()
		}
		if used := cpuTime(t) - began; used >= about {
			return used / n
		}
	}
}

func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
