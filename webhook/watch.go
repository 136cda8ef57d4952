package webhook

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Times of the watch on a catalog directory.
const (
	// settle is how long a directory must be quiet before it is read: an editor or kubelet writes in several steps.
	settle = 200 * time.Millisecond
	// pollEvery finds the changes of which no event tells, as on some network file systems.
	pollEvery = 10 * time.Second
)

// Watch takes changes of the directory up until the context ends. For the embedded catalog it only waits. Where the
// system has no file events to give, it polls.
func (s *CatalogSource) Watch(ctx context.Context) {
	if s.dir == "" {
		<-ctx.Done()
		return
	}
	var events <-chan fsnotify.Event
	var failures <-chan error
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		s.log.Warn("catalog directory is polled only", "directory", s.dir, "error", err)
	} else {
		defer watcher.Close()
		events, failures = watcher.Events, watcher.Errors
	}
	s.watch(ctx, watchdog{events, failures, func() {
		if watcher == nil {
			return
		}
		// A directory that was replaced is another one to the watcher; to add one that is watched already does nothing.
		if err := watcher.Add(s.dir); err != nil {
			s.log.Debug("catalog directory is not watched", "directory", s.dir, "error", err)
		}
	}})
}

// watchdog is what tells of changes.
type watchdog struct {
	events   <-chan fsnotify.Event
	failures <-chan error
	// attach makes sure that the directory, which may have come back, is watched.
	attach func()
}

func (s *CatalogSource) watch(ctx context.Context, w watchdog) {
	w.attach()
	// What changed between the first reading and here is seen now.
	s.reload()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	quiet := time.NewTimer(settle)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.events:
			quiet.Reset(settle)
		case err := <-w.failures:
			// Events may be lost; the poll finds what they would have told.
			s.log.Warn("catalog directory watch", "directory", s.dir, "error", err)
		case <-quiet.C:
			s.reload()
		case <-poll.C:
			w.attach()
			s.reload()
		}
	}
}
