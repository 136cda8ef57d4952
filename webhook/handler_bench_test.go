package webhook

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// nullWriter takes an answer and keeps nothing of it.
type nullWriter struct{ header http.Header }

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *nullWriter) WriteHeader(int)             {}

// repeat gives a function that has the handler answer the review once.
func repeat(h http.Handler, review string) func() {
	body, reader, w := []byte(review), bytes.NewReader(nil), &nullWriter{http.Header{}}
	at, header := &url.URL{Path: PathMutate, RawQuery: "timeout=2s"}, http.Header{"Content-Type": contentTypeJSON}
	return func() {
		reader.Reset(body)
		r := &http.Request{Method: http.MethodPost, URL: at, Header: header, Body: io.NopCloser(reader), ContentLength: int64(len(body))}
		h.ServeHTTP(w, r)
	}
}

// withManagedFields gives a review whose Pod carries n fields that no rule reads.
func withManagedFields(review string, n int) string {
	fields := strings.Repeat(`{"manager":"kubelet","fieldsV1":{"f:status":{"f:conditions":{"k:{\"type\":\"Ready\"}":{".":{},"f:type":{}}}}}},`, n)
	return strings.Replace(review, `"metadata":{`, `"metadata":{"managedFields":[`+strings.TrimSuffix(fields, ",")+`],`, 1)
}

func BenchmarkHandler(b *testing.B) {
	h := NewHandler(testOptions(b))
	for _, c := range []struct{ name, review string }{
		{"skip", reviewOf("")}, {"skip10KiB", withManagedFields(reviewOf(""), 100)},
		{"inject", reviewOf("alpha")}, {"inject10KiB", withManagedFields(reviewOf("alpha"), 100)}, {"deny", reviewOf("nope")},
	} {
		b.Run(c.name, func(b *testing.B) {
			once := repeat(h, c.review)
			b.ReportAllocs()
			b.SetBytes(int64(len(c.review)))
			for b.Loop() {
				once()
			}
		})
	}
}

// What no rule reads costs no memory, however much of it there is.
func TestAllocationsDoNotGrowWithThePod(t *testing.T) {
	h := NewHandler(testOptions(t))
	small := testing.AllocsPerRun(100, repeat(h, reviewOf("alpha")))
	large := testing.AllocsPerRun(100, repeat(h, withManagedFields(reviewOf("alpha"), 1000)))
	if large > small+10 { // where the race detector is on, pools lose some of what they hold
		t.Errorf("%v allocations for a large Pod, %v for a small one", large, small)
	}
}
