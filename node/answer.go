package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// errLate says that an answer could not be given in time. It fails what the runtime does, and the kubelet tries it again;
// without an answer the runtime would go on without it.
var errLate = errors.New("not done in time; it is tried again")

// do does something for a Pod, in time or else with errLate, and one thing after the other. For a Pod that asks nothing it
// does nothing.
//
// A runtime asks for one Pod after the other, so whoever waits holds all others up. For a Pod for which something is not done
// in time nobody waits as long again: until that is done, what else comes is put behind it and is late after a moment.
func (a *Agent) do(ctx context.Context, event string, p *pod, f func() error) error {
	if !a.managed(p) {
		a.Metrics.event(event, "none", 0)
		return nil
	}
	began := time.Now()
	err := a.inTime(ctx, p, f)
	took, result := time.Since(began), "done"
	if err != nil && p.bad == nil && !p.asks.Needed() {
		result, err = "late", nil // it is only counted, a little later
	}
	if err != nil {
		result = "refused"
		a.Log.Error(event, "pod", p.String(), "uid", p.uid, "error", err, "took", took)
		err = fmt.Errorf("pillion-node: %w", err)
	}
	a.Metrics.event(event, result, took)
	return err
}

// moment is the part of the whole time for which a Pod is waited for that is late already.
const moment = 20

// inTime gives what became of something that is done for a Pod, or errLate. What is late is done all the same.
func (a *Agent) inTime(ctx context.Context, p *pod, f func() error) error {
	wait := time.Duration(a.deadline.Load())
	if p.late.Load() > 0 {
		wait /= moment
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.doing(f) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		p.late.Add(1)
		go func() {
			err := <-done
			p.late.Add(-1)
			a.Log.Warn("done late", "pod", p.String(), "uid", p.uid, "error", err)
		}()
		return errLate
	}
}

// doing does something under the Pod's lock. A panic is an error of that Pod alone.
func (p *pod) doing(f func() error) (err error) {
	p.Lock()
	defer p.Unlock()
	defer func() {
		if r := recover(); r != nil {
			slog.Error("panic", "pod", p.String(), "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
		p.trouble = err
	}()
	if p.bad != nil {
		return p.bad
	}
	return f()
}
