package webhook

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
)

// guard is deferred around a call: a panic becomes an answer, where there was none yet, and is counted and logged.
func (h *Handler) guard(w http.ResponseWriter, r *http.Request, c *call) {
	p := recover()
	if p == nil {
		return
	}
	h.metrics.panics.Inc()
	if kind, first := h.panics.see(p); first {
		h.log.Error("panic", "kind", kind, "stack", string(debug.Stack()))
	}
	if !c.replied {
		h.undecided(w, r, c, Panicked)
	}
}

// maxPanicKinds bounds the panics that are told apart, so that none that a Pod's author can vary fills the log.
const maxPanicKinds = 16

// panicLog remembers which panics were logged, for the life of the process.
type panicLog struct {
	mu   sync.Mutex
	seen map[string]bool
}

// see names the kind of a panic and says whether it is the first of its kind.
func (l *panicLog) see(p any) (kind string, first bool) {
	kind = cut(strings.ToValidUTF8(fmt.Sprintf("%T: %v", p, p), "?"), 128)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[kind] || len(l.seen) >= maxPanicKinds {
		return kind, false
	}
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	l.seen[kind] = true
	return kind, true
}
