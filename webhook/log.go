package webhook

import (
	"context"
	"log/slog"
	"time"
)

// Bounds of what a Pod's author wrote, in a log line: bytes of one value, and number of values.
const (
	maxLogValue  = 128
	maxLogValues = 16
)

// logDecision writes the one line of a decision. Values of annotations are cut; of a Pod's mistakes it gives place and
// rule, never the value.
func (h *Handler) logDecision(ctx context.Context, c *call, took time.Duration) {
	d, req := &c.decision, &c.review.Request
	level := levelOf(d)
	if !h.log.Enabled(ctx, level) {
		return
	}
	var room [12]slog.Attr
	attrs := append(room[:0],
		slog.String("uid", cut(req.UID, maxLogValue)),
		slog.String("namespace", cut(req.Namespace, maxLogValue)),
		slog.String("name", cut(req.objectName(), 253)),
		slog.String("outcome", string(d.outcome)),
		slog.String("reason", string(d.reason)),
		slog.Any("sidecars", logNames(d.sidecars)),
		slog.Int64("durationMicros", took.Microseconds()),
		slog.Bool("dryRun", req.DryRun),
		slog.String("catalog", d.catalog),
	)
	if len(d.errors) > 0 {
		attrs = append(attrs, slog.Any("errors", logErrors(d)))
	}
	h.log.LogAttrs(ctx, level, "decision", attrs...)
}

func levelOf(d *decision) slog.Level {
	switch {
	case d.plainSkip():
		return slog.LevelDebug
	case d.outcome == Unavailable:
		return slog.LevelError
	case d.outcome == Rejected:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// logNames gives the sidecars asked for; on a refusal these are the author's own words.
func logNames(names []string) []string {
	if names == nil {
		return []string{}
	}
	short := make([]string, 0, min(len(names), maxLogValues))
	for _, n := range names[:min(len(names), maxLogValues)] {
		short = append(short, cut(n, maxLogValue))
	}
	return short
}

func logErrors(d *decision) []string {
	short := make([]string, 0, min(len(d.errors), maxLogValues))
	for _, e := range d.errors[:min(len(d.errors), maxLogValues)] {
		short = append(short, cut(e.Field+": "+e.Type.String()+": "+e.Detail, 2*maxLogValue))
	}
	return short
}
