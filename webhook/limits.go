package webhook

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/sidecars"
)

// Time for an answer. The API server says in the query how long it waits; an answer later than that is lost.
const (
	// spare is left of the API server's timeout for the way back.
	spare = 200 * time.Millisecond
	// defaultBudget and maxBudget hold where the query says nothing, or nothing sensible.
	defaultBudget = 2*time.Second - spare
	maxBudget     = 30 * time.Second
	// peekTime bounds the wait for the beginning of a review that is not going to be decided.
	peekTime = 100 * time.Millisecond
)

// maxBodyBytes bounds the bodies in hand together, in bytes, beyond the 64 KiB that each of them is free to have: room
// for four reviews of the greatest size.
const (
	maxBodyBytes = 4 * MaxBody
	freeBody     = 64 << 10
)

// httpError is an answer that is not a review.
type httpError struct {
	status int
	reason sidecars.Reason
	text   string
}

// What reading a body may end with, beside an answer of its own.
var (
	errLate     = &httpError{http.StatusServiceUnavailable, Late, ""}
	errBusy     = &httpError{http.StatusServiceUnavailable, Busy, ""}
	errTooLarge = &httpError{http.StatusRequestEntityTooLarge, BodyTooLarge, "the body is larger than 7 MiB"}
)

// badRequest checks what is known before the body is read.
func badRequest(r *http.Request) *httpError {
	if r.Method != http.MethodPost {
		return &httpError{http.StatusMethodNotAllowed, BadMethod, "want POST with an AdmissionReview, got " + cut(r.Method, 32)}
	}
	if content := r.Header.Get("Content-Type"); content != "application/json" {
		media, _, err := mime.ParseMediaType(content)
		if err != nil || media != "application/json" {
			return &httpError{http.StatusUnsupportedMediaType, BadContent, "want Content-Type application/json"}
		}
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return &httpError{http.StatusUnsupportedMediaType, BadContent, "want a body without Content-Encoding"}
	}
	if r.ContentLength > MaxBody {
		return errTooLarge
	}
	return nil
}

// budget is the time for an answer, from the query's timeout.
func budget(query string) time.Duration {
	if query == "" {
		return defaultBudget
	}
	text := query
	if rest, ok := strings.CutPrefix(query, "timeout="); !ok || strings.ContainsAny(rest, "&%+;") {
		values, err := url.ParseQuery(query)
		if err != nil {
			return defaultBudget
		}
		text = "timeout=" + values.Get("timeout")
	}
	timeout, err := time.ParseDuration(text[len("timeout="):])
	if err != nil || timeout <= 0 {
		return defaultBudget
	}
	return min(max(timeout-spare, timeout/2), maxBudget)
}

// readBody reads the body into c.body, in the time and the memory there is. What it read before an error stays there.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request, c *call) *httpError {
	// Handlers called without a server have no deadlines to set, and no body that waits.
	_ = http.NewResponseController(w).SetReadDeadline(c.deadline)
	if r.Body == nil {
		return nil
	}
	want := min(max(int(r.ContentLength)+1, 4<<10), freeBody)
	c.body = slices.Grow(c.body[:0], want)
	for {
		n, err := r.Body.Read(c.body[len(c.body):cap(c.body)])
		c.body = c.body[:len(c.body)+n]
		switch {
		case len(c.body) > MaxBody:
			return errTooLarge
		case err == io.EOF:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errLate
		case err != nil:
			return &httpError{http.StatusBadRequest, BadReview, "the body did not arrive whole"}
		}
		if len(c.body) == cap(c.body) && !h.grow(c) {
			return errBusy
		}
	}
}

// grow doubles the room for a body, where the bodies in hand leave so much.
func (h *Handler) grow(c *call) bool {
	size := min(2*cap(c.body), MaxBody+1)
	if need := int64(size) - freeBody - c.reserved; need > 0 {
		if h.bodyBytes.Add(need) > maxBodyBytes {
			h.bodyBytes.Add(-need)
			return false
		}
		c.reserved += need
	}
	c.body = append(make([]byte, 0, size), c.body...)
	return true
}

// peekBody reads the beginning of a body, if it is there.
func peekBody(w http.ResponseWriter, r *http.Request, c *call) []byte {
	_ = http.NewResponseController(w).SetReadDeadline(c.start.Add(peekTime))
	body := slices.Grow(c.body[:0], peekLimit)[:peekLimit]
	if r.Body == nil {
		return body[:0]
	}
	// Whatever ends the reading, what is there is all that is asked for.
	n, _ := io.ReadFull(r.Body, body)
	return body[:n]
}

// reject answers with an HTTP status and one sentence, which the API server shows as the reason of a failed call.
func (h *Handler) reject(w http.ResponseWriter, r *http.Request, c *call, bad *httpError) {
	if bad.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	c.replied = true
	http.Error(w, "pillion: "+bad.text, bad.status)
	c.decision = decision{outcome: Rejected, reason: bad.reason}
	h.record(r.Context(), c)
}
