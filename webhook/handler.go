package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pillion-dev/pillion/sidecars"
)

// MaxBody bounds the body of a review in bytes: two objects of 3 MiB and their surroundings, as controller-runtime has it.
const MaxBody = 7 << 20

// Options set a Handler up. The zero value serves the embedded catalog and knows nothing of Namespaces.
type Options struct {
	// Catalog gives the catalog in force. It is called once a request and must not block. Default: the embedded one.
	Catalog func() *sidecars.Catalog
	// Namespace gives what is known of a Namespace, and whether it is known. It must not block. Default: nothing is known.
	Namespace func(name string) (sidecars.Namespace, bool)
	// OwnNamespace is the Namespace Pillion runs in, whose Pods are left alone; empty where there is none.
	OwnNamespace string
	// MaxInFlight bounds the reviews in hand at a time; one more is answered at once, undecided. Default: 64 for every CPU
	// the Go runtime uses.
	MaxInFlight int
	// Log gets one line for every decision; default: no log.
	Log *slog.Logger
	// Metrics counts; default: a registry that nobody reads.
	Metrics *Metrics
}

// Handler answers AdmissionReviews of admission.k8s.io/v1. It is a plain http.Handler, fit to be called without a server.
type Handler struct {
	catalog      func() *sidecars.Catalog
	namespace    func(name string) (sidecars.Namespace, bool)
	ownNamespace string
	log          *slog.Logger
	metrics      *Metrics
	maxInFlight  int64
	inFlight     atomic.Int64
	bodyBytes    atomic.Int64
	calls        sync.Pool
	panics       panicLog
	// inject is the core, or what a test puts in its place.
	inject func(*sidecars.Workspace, *sidecars.Catalog, *sidecars.Pod, *sidecars.Namespace) *sidecars.Result
}

// NewHandler makes a Handler.
func NewHandler(o Options) *Handler {
	if o.Catalog == nil {
		builtin := sidecars.Builtin()
		o.Catalog = func() *sidecars.Catalog { return builtin }
	}
	if o.Namespace == nil {
		o.Namespace = func(name string) (sidecars.Namespace, bool) { return sidecars.Namespace{Name: name}, false }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 2 * runtime.GOMAXPROCS(0) * 32
	}
	return &Handler{
		catalog: o.Catalog, namespace: o.Namespace, ownNamespace: o.OwnNamespace,
		log: o.Log, metrics: o.Metrics, maxInFlight: int64(o.MaxInFlight),
		calls:  sync.Pool{New: func() any { return new(call) }},
		inject: (*sidecars.Workspace).Inject,
	}
}

// call is the state of one request; it is used again for others.
type call struct {
	start    time.Time
	deadline time.Time
	// required: the webhook entry of Namespaces that require sidecars is calling.
	required bool
	body     []byte
	out      []byte
	patch    []byte
	core     sidecars.Workspace
	// reserved is this body's part of Handler.bodyBytes.
	reserved int64
	replied  bool
	review   review
	decision decision
}

// keep bounds the buffers that are used again, in bytes.
const keep = 256 << 10

// ServeHTTP answers one review. Whatever happens inside, the connection gets an answer.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := h.calls.Get().(*call)
	c.start = time.Now()
	c.deadline = c.start.Add(budget(r.URL.RawQuery))
	c.required = r.URL.Path == PathRequired
	h.metrics.inFlight.Inc()
	inHand := h.inFlight.Add(1)
	defer h.done(c)
	defer h.guard(w, r, c)
	h.serve(w, r, c, inHand)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, c *call, inHand int64) {
	bad := badRequest(r)
	if bad == nil && inHand > h.maxInFlight {
		c.body = peekBody(w, r, c)
		bad = errBusy
	}
	if bad == nil {
		bad = h.readBody(w, r, c)
	}
	if bad == nil {
		bad = h.answer(c)
	}
	switch bad {
	case nil:
		h.reply(w, r, c)
	case errLate, errBusy:
		h.undecided(w, r, c, bad.reason)
	default:
		h.reject(w, r, c, bad)
	}
}

// done gives back what a call holds.
func (h *Handler) done(c *call) {
	h.inFlight.Add(-1)
	h.metrics.inFlight.Dec()
	h.bodyBytes.Add(-c.reserved)
	if max(cap(c.body), cap(c.out), cap(c.patch)) > keep {
		return
	}
	*c = call{body: c.body[:0], out: c.out[:0], patch: c.patch[:0], core: c.core}
	h.calls.Put(c)
}

// answer decodes the review, decides, and writes the answer into c.out.
func (h *Handler) answer(c *call) *httpError {
	if err := c.review.decode(c.body); err != nil {
		return &httpError{http.StatusBadRequest, BadReview, err.Error()}
	}
	if time.Now().After(c.deadline) {
		c.decision = unavailable(Late, h.requiredIn(c, c.review.Request.Namespace))
	} else {
		c.decision = h.decide(c)
	}
	c.out, c.patch = appendAnswer(c.out[:0], c.review.Request.UID, &c.decision, c.patch)
	return nil
}

// undecided answers without the core's word, from what is there of the body. A body that does not even give a uid cannot
// be answered by a review, so the API server gets an error and does what its failurePolicy says.
func (h *Handler) undecided(w http.ResponseWriter, r *http.Request, c *call, why sidecars.Reason) {
	uid, namespace := peek(c.body)
	c.review = review{Request: request{UID: uid, Namespace: namespace}}
	c.decision = unavailable(why, h.requiredIn(c, namespace))
	if uid == "" {
		c.replied = true
		http.Error(w, "pillion: "+c.decision.message(), http.StatusServiceUnavailable)
		h.record(r.Context(), c)
		return
	}
	c.out, c.patch = appendAnswer(c.out[:0], uid, &c.decision, c.patch)
	h.reply(w, r, c)
}

func (h *Handler) requiredIn(c *call, namespace string) bool {
	if c.required {
		return true
	}
	ns, _ := h.namespace(namespace)
	return requires(&ns)
}

func (h *Handler) reply(w http.ResponseWriter, r *http.Request, c *call) {
	c.replied = true
	header := w.Header()
	header["Content-Type"] = contentTypeJSON
	header["Content-Length"] = []string{strconv.Itoa(len(c.out))}
	// A client that went away has nobody to tell; the server closes its connection.
	_, _ = w.Write(c.out)
	h.record(r.Context(), c)
}

var contentTypeJSON = []string{"application/json"}

// record counts and logs a call that was answered.
func (h *Handler) record(ctx context.Context, c *call) {
	took := time.Since(c.start)
	h.metrics.observe(&c.decision, took)
	h.logDecision(ctx, c, took)
}
