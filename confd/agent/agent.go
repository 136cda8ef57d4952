// Package agent is what runs: it follows a backend, renders files when keys change, swaps them atomically, and has the app
// read them again.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/confd"
	"github.com/pillion-dev/pillion/confd/files"
)

// Backend is where keys and values come from.
type Backend interface {
	// Follow keeps keys at and below paths up to date until the context ends, or something is wrong; it is called again
	// after either.
	Follow(ctx context.Context, paths []string, keys *confd.Keys) error
	// Selects reports whether a resource that names a path sees a key.
	Selects(path, key string) bool
}

// Pauses before a backend that failed is asked again.
const (
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

// Agent renders the files of one configuration.
type Agent struct {
	config  *Config
	backend Backend
	log     *slog.Logger
	metrics *Metrics
	machine *confd.Machine
	keys    *confd.Keys
	items   []*item
	reloads *reloader
	state   state
}

// New reads the template resources and templates; all of them have to be right.
func New(c *Config, backend Backend, log *slog.Logger) (*Agent, error) {
	a := &Agent{config: c, backend: backend, log: log, metrics: NewMetrics(), machine: Machine()}
	a.keys = confd.NewKeys(a.loaded)
	a.state.backend = "not asked yet"
	var err error
	if a.items, err = loadFolder(c, a.machine); err != nil {
		return nil, err
	}
	for _, i := range a.items {
		warn(log, i)
	}
	a.reloads = newReloader(time.Duration(c.Reload.Interval), log, a.metrics)
	a.state.beat()
	a.publish()
	return a, nil
}

// Run works until the context ends, and returns when nothing of it is left.
func (a *Agent) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	defer a.reloads.group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	folders, err := files.Changes(ctx, filepath.Join(a.config.ConfDir, "conf.d"), filepath.Join(a.config.ConfDir, "templates"))
	if err != nil {
		return err
	}
	followed := a.startFollowing(ctx, &group)
	tick := time.NewTicker(time.Duration(a.config.Interval))
	defer tick.Stop()
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for next := (time.Time{}); ; {
		var due <-chan time.Time
		if !next.IsZero() {
			due = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
		case <-a.keys.Changed():
			a.mark(false)
		case <-tick.C:
			a.mark(true)
		case <-folders:
			if a.reloadFolder() {
				followed()
				followed = a.startFollowing(ctx, &group)
				a.mark(true)
			}
		case <-due:
		}
		next = a.renderDue(ctx)
		a.state.beat()
	}
}

// reloadFolder reads template resources and templates again; where one is wrong, all stay as they were.
func (a *Agent) reloadFolder() bool {
	items, err := loadFolder(a.config, a.machine)
	if err != nil {
		a.metrics.folder.WithLabelValues("failure").Inc()
		a.log.Error("the template resources changed and are not taken up", "error", err.Error())
		return false
	}
	was := map[string]*item{}
	for _, i := range a.items {
		was[i.Dest] = i
	}
	for _, i := range items {
		warn(a.log, i)
		if old := was[i.Dest]; old != nil {
			i.rendered = old.rendered
		}
	}
	a.items = items
	a.metrics.folder.WithLabelValues("success").Inc()
	a.log.Info("the template resources changed and are taken up", "resources", len(items))
	return true
}

// startFollowing follows the keys that the items name; the returned function ends that.
func (a *Agent) startFollowing(ctx context.Context, group *sync.WaitGroup) func() {
	ctx, cancel := context.WithCancel(ctx)
	var paths []string
	for _, i := range a.items {
		paths = append(paths, i.Keys...)
	}
	done := make(chan struct{})
	group.Go(func() {
		defer close(done)
		a.follow(ctx, paths)
	})
	return func() {
		cancel()
		<-done
	}
}

// follow has the backend read everything anew once in an interval, and after it failed.
func (a *Agent) follow(ctx context.Context, paths []string) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		session, cancel := context.WithTimeout(ctx, time.Duration(a.config.Interval))
		err := a.backend.Follow(session, paths, a.keys)
		cancel()
		if err == nil || ctx.Err() != nil {
			continue
		}
		was, changed := a.state.setBackend(err.Error())
		if was == "" {
			backoff = firstBackoff
		}
		if changed {
			a.log.Error("the backend fails; files stay as they are", "backend", a.config.Backend, "error", err.Error())
		}
		a.metrics.up.Set(0)
		a.metrics.failures.Inc()
		if !pause(ctx, backoff) {
			return
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// loaded is called when the backend gave all keys.
func (a *Agent) loaded() {
	a.metrics.up.Set(1)
	if _, changed := a.state.setBackend(""); changed {
		a.log.Info("the backend answers", "backend", a.config.Backend)
	}
}

// Once renders every file one time, reloads what has to be, and returns; with an error where a file is not as it should be.
// A backend that fails is waited for.
func (a *Agent) Once(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	stop := a.startFollowing(ctx, &group)
	defer stop()
	a.reloads.once = true
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.keys.Changed():
	}
	a.mark(true)
	a.renderDue(ctx)
	var errs []error
	for _, i := range a.items {
		if i.trouble != "" {
			errs = append(errs, fmt.Errorf("%s: %s", i.File, i.trouble))
		}
	}
	return errors.Join(append(errs, a.reloads.errs...)...)
}
