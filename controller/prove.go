package controller

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/sidecars"
)

// prover says whether entries are good. It is what the webhook and the status share.
type prover struct {
	entries *Entries
	// dryRun is nil where the API server is not asked.
	dryRun *DryRun
}

// proof is the result.
type proof struct {
	errs     field.ErrorList
	warnings []sidecars.Warning
	// refused: it is the API server that found the mistakes.
	refused bool
	// untried says why the API server could not be asked; empty where it was, or need not be.
	untried string
}

// prove checks an entry against the catalog that it joins and, where nothing is wrong, has the API server try a Pod with it.
func (p *prover) prove(ctx context.Context, e *sidecars.Entry, try bool) (out proof) {
	out.errs, out.warnings = lint(p.entries.Catalog(), e)
	if len(out.errs) > 0 || !try || p.dryRun == nil {
		return out
	}
	out.errs, out.untried = p.dryRun.Try(ctx, e)
	out.refused = len(out.errs) > 0
	return out
}

// parse reads an entry from JSON. A panic, which only a mistake here can bring about, is an error of that entry alone.
func parse(raw []byte) (e *sidecars.Entry, errs field.ErrorList) {
	defer func() {
		if p := recover(); p != nil {
			e, errs = nil, panicked(p)
		}
	}()
	return sidecars.Parse(raw)
}

// lint checks an entry, and turns a panic into an error as parse does.
func lint(c *sidecars.Catalog, e *sidecars.Entry) (errs field.ErrorList, warnings []sidecars.Warning) {
	defer func() {
		if p := recover(); p != nil {
			errs, warnings = panicked(p), nil
		}
	}()
	return c.Lint(e)
}

func panicked(p any) field.ErrorList {
	utilruntime.HandleError(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	return field.ErrorList{field.InternalError(field.NewPath("spec"), fmt.Errorf("panic: %v", p))}
}

// Bounds of what is said of an entry.
const (
	// maxMessage bounds the message of a condition or event, in bytes; the API server takes no longer note of an event.
	maxMessage = 1000
	// maxCauses bounds the mistakes of one refusal.
	maxCauses = 50
)

// summary gives the first mistakes with their field paths, in one line of at most maxMessage bytes.
func summary(errs field.ErrorList) string {
	var b strings.Builder
	for i, e := range errs {
		text := oneLine(e.Error())
		more := fmt.Sprintf("; and %d more", len(errs)-i)
		if i > 0 {
			if b.Len()+len("; ")+len(text)+len(more) > maxMessage {
				b.WriteString(more)
				break
			}
			b.WriteString("; ")
		}
		b.WriteString(cut(text, maxMessage-len(more)))
	}
	return b.String()
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// cut shortens s to at most n bytes, with dots where something is missing.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-3], "") + "..."
}

// late reports whether an error says that time ran out.
func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
