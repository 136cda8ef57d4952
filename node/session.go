package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/stub"
	"golang.org/x/sys/unix"
)

// PluginName is the helper's name as an NRI plugin, and pluginIndex its place among others.
const (
	PluginName  = "pillion"
	pluginIndex = "50"
)

// Times between attempts to reach a runtime that is away.
const (
	firstTry = 100 * time.Millisecond
	lastTry  = 2 * time.Second
)

// Serve answers the runtime behind a socket until the context ends. A runtime that is away, or that gave the plugin up, is
// called again for as long.
func (a *Agent) Serve(ctx context.Context, socket string) error {
	for wait := firstTry; ctx.Err() == nil; wait = min(2*wait, lastTry) {
		began := time.Now()
		err := a.session(ctx, socket)
		a.connected.Store(false)
		a.Metrics.session(false)
		a.Metrics.inMode(ModeNone)
		if ctx.Err() != nil {
			break
		}
		a.Log.Warn("not connected to the runtime", "socket", socket, "error", err)
		if time.Since(began) > 10*lastTry {
			wait = firstTry
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// session is one connection.
func (a *Agent) session(ctx context.Context, socket string) error {
	s, err := stub.New(a, stub.WithPluginName(PluginName), stub.WithPluginIdx(pluginIndex), stub.WithSocketPath(socket),
		stub.WithOnClose(func() {}), stub.WithLogger(nriLog{a.Log}), stub.WithFailurePolicy(&api.FailurePolicy{KeepConnected: true}))
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	a.deadline.Store(int64(s.RequestTimeout() * 6 / 10))
	a.connected.Store(true)
	a.Metrics.session(true)
	a.Metrics.inMode(a.Mode())
	a.Log.Info("connected to the runtime", "socket", socket, "nri", s.RuntimeNRIVersion(), "deadline", time.Duration(a.deadline.Load()))
	ended := make(chan struct{})
	go func() { s.Wait(); close(ended) }()
	select {
	case <-ctx.Done():
		s.Stop()
		return ctx.Err()
	case <-ended:
		s.Stop()
		return errors.New("the runtime closed the connection")
	}
}

// nriLog gives the library's words to our log, as details.
type nriLog struct{ log *slog.Logger }

// Debugf logs a detail.
func (l nriLog) Debugf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, args...))
}

// Infof logs a detail.
func (l nriLog) Infof(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, args...))
}

// Warnf logs a warning.
func (l nriLog) Warnf(ctx context.Context, format string, args ...any) {
	l.log.WarnContext(ctx, fmt.Sprintf(format, args...))
}

// Errorf logs an error.
func (l nriLog) Errorf(ctx context.Context, format string, args ...any) {
	l.log.ErrorContext(ctx, fmt.Sprintf(format, args...))
}

// Lock takes the lock of the node's one helper: two of them would set the same fields, which fails every container. It waits
// until the other one has ended, or the context has.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
