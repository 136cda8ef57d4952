package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pillion-dev/pillion/confd"
)

// Pauses before a resource that failed is tried again, beside the changes of its keys.
const (
	firstAttempt = time.Second
	lastAttempt  = time.Minute
)

// failure is an error with its place in confd_renders_total.
type failure struct {
	result string
	error
}

// mark notes which resources have to be rendered: those that see other keys than before, or all.
func (a *Agent) mark(all bool) {
	now := time.Now()
	for _, i := range a.items {
		view, loaded := a.keys.View(i.Keys, a.backend.Selects)
		if !loaded || !all && (i.rendered || i.trouble != "") && slices.Equal(view, i.view) {
			continue
		}
		wait := time.Duration(a.config.Debounce)
		if i.Debounce > 0 {
			wait = i.Debounce
		}
		if all || !i.rendered {
			wait = 0
		}
		if due := now.Add(wait); i.due.IsZero() || i.due.After(due) {
			i.due = due
		}
	}
}

// renderDue renders what is due and says when the next is; zero where none is.
func (a *Agent) renderDue(ctx context.Context) (next time.Time) {
	for _, i := range a.items {
		if i.due.IsZero() {
			continue
		}
		if now := time.Now(); !i.due.After(now) && ctx.Err() == nil {
			i.due = time.Time{}
			a.render(ctx, i)
		}
		if !i.due.IsZero() && (next.IsZero() || i.due.Before(next)) {
			next = i.due
		}
	}
	a.publish()
	return next
}

// render makes a resource's file what its keys say, and asks for the reload. What fails leaves the last good file.
func (a *Agent) render(ctx context.Context, i *item) {
	view, loaded := a.keys.View(i.Keys, a.backend.Selects)
	if !loaded {
		return
	}
	written, err := a.write(ctx, i, view)
	if ctx.Err() != nil {
		return
	}
	i.view = view
	if err != nil {
		var f *failure
		if errors.As(err, &f) {
			a.metrics.renders.WithLabelValues(f.result).Inc()
		}
		i.retry = min(max(2*i.retry, firstAttempt), lastAttempt)
		i.due = time.Now().Add(i.retry)
		if message := err.Error(); message != i.trouble {
			i.trouble = message
			a.log.Error("the last good file stays", "resource", i.File, "dest", i.Dest, "error", message)
		}
		return
	}
	first := !i.rendered
	i.rendered, i.trouble, i.retry = true, "", 0
	a.reloadAfter(ctx, i, written, first)
}

// reloadAfter asks for a reload where a file was written; and where it was there already when the program started, which
// cannot know whether its predecessor came so far.
func (a *Agent) reloadAfter(ctx context.Context, i *item, written, first bool) {
	c := change{dest: i.Dest, swapped: sinceBoot(), interval: i.MinReloadInterval}
	result := "unchanged"
	if written {
		result = "written"
		a.metrics.lastChange.SetToCurrentTime()
		a.log.Info("written", "resource", i.File, "dest", i.Dest)
	} else if info, err := os.Stat(i.Dest); first && err == nil {
		c.swapped -= time.Since(info.ModTime())
	}
	a.metrics.renders.WithLabelValues(result).Inc()
	if !written && !first {
		return
	}
	for _, how := range i.reloads {
		a.reloads.request(ctx, how, c)
	}
}

// write renders a resource and, where the file differs, checks and swaps it.
func (a *Agent) write(ctx context.Context, i *item, view []confd.KVPair) (written bool, err error) {
	text, err := i.template.Render(confd.NewStore(i.Prefix, view))
	if err != nil {
		return false, &failure{"template_failed", fmt.Errorf("templates/%w", err)}
	}
	p, err := openPlace(i.Dest, a.config.Directories)
	if err != nil {
		return false, &failure{"write_failed", err}
	}
	defer p.close()
	if !i.rendered {
		p.clean()
	}
	same, err := p.same(text, i.Resource)
	if err != nil {
		return false, &failure{"write_failed", err}
	}
	if same {
		return false, nil
	}
	if err := confd.CheckFormat(i.Format, text); err != nil {
		return false, &failure{"invalid", err}
	}
	s, err := p.stage(text, i.Resource)
	if err != nil {
		return false, &failure{"write_failed", err}
	}
	if i.CheckCmd != "" {
		if err := runCommand(ctx, i.CheckCmd, i.CheckTimeout, map[string]string{"src": s.path(), "dest": i.Dest}); err != nil {
			s.drop()
			return false, &failure{"check_failed", fmt.Errorf("check_cmd: %w", err)}
		}
	}
	if err := s.swap(); err != nil {
		s.drop()
		return false, &failure{"write_failed", err}
	}
	return true, nil
}
