package adapter

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Options are what the process decides on.
type Options struct {
	// Config is the main file's name.
	Config string
	// Reload is how often the files are looked at for changes.
	Reload time.Duration
	// Version is shown as a metric.
	Version string
	Log     *slog.Logger
}

// Adapter is a running adapter.
type Adapter struct {
	options  Options
	log      *slog.Logger
	metrics  *metrics
	current  atomic.Pointer[state]
	mistakes atomic.Pointer[string]
	// tried is the state of the files that was looked at last, good or bad.
	tried [sha256.Size]byte
}

// state is all that follows from one configuration.
type state struct {
	config   *Config
	files    []string
	metrics  *stateMetrics
	gatherer *gatherer
	judge    *judge
}

// New reads the configuration; the error has every mistake in it.
func New(o Options) (*Adapter, error) {
	a := &Adapter{options: o, log: o.Log, metrics: newMetrics(o.Version)}
	files, err := ReadFiles(o.Config)
	if err != nil {
		return nil, err
	}
	if err := a.use(files); err != nil {
		return nil, err
	}
	a.tried = files.Sum()
	a.metrics.configGood.Set(1)
	return a, nil
}

// Listen is the address that the configuration names.
func (a *Adapter) Listen() string { return a.current.Load().config.Listen }

func (a *Adapter) use(files Files) error {
	config, err := Parse(files)
	if err != nil {
		return err
	}
	before := a.current.Load()
	next := &state{config: config, metrics: a.metrics.forState()}
	for _, f := range files {
		next.files = append(next.files, f.Name)
	}
	var judged *judge
	if before != nil {
		judged = before.judge
		config.Listen = before.config.Listen // the port stays open as long as the process lives
	}
	if next.judge, err = newJudge(config, judged); err != nil {
		return err
	}
	next.gatherer = &gatherer{config: config, metrics: next.metrics}
	a.current.Store(next)
	if before != nil {
		before.close()
	}
	return nil
}

// close lets go of connections that nobody uses any more.
func (s *state) close() {
	for _, source := range s.config.Sources {
		source.client.CloseIdleConnections()
	}
}

// Reload takes up files that changed. Files with mistakes change nothing: what was good last stays in use.
func (a *Adapter) Reload() {
	files, err := ReadFiles(a.options.Config)
	if err == nil && files.Sum() == a.tried {
		return
	}
	a.tried = [sha256.Size]byte{} // files that could not be read are tried again
	if err == nil {
		a.tried = files.Sum()
		err = a.use(files)
	}
	if err != nil {
		text := err.Error()
		if before := a.mistakes.Swap(&text); before == nil || *before != text {
			a.log.Error("the configuration stays as it was", "err", text)
			a.metrics.reloads.WithLabelValues("error").Inc()
		}
		a.metrics.configGood.Set(0)
		return
	}
	a.mistakes.Store(nil)
	a.metrics.reloads.WithLabelValues("ok").Inc()
	a.metrics.configGood.Set(1)
	a.log.Info("the configuration was taken up", "files", a.current.Load().files)
}

// Serve answers at the listener until the context ends, then lets requests under way end.
func (a *Adapter) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: a.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	watched := make(chan struct{})
	go func() { defer close(watched); a.watch(ctx) }()
	defer func() { stop(); <-watched }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := server.Shutdown(last); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}

// watch judges the rules round by round, and looks for changed files.
func (a *Adapter) watch(ctx context.Context) {
	reload := time.NewTicker(a.options.Reload)
	defer reload.Stop()
	for {
		a.look(ctx)
		again := time.After(a.current.Load().config.Interval)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-reload.C:
				before := a.current.Load()
				a.Reload()
				waiting = a.current.Load() == before // a new rule is judged at once
			case <-again:
				waiting = false
			}
		}
	}
}

// look makes a round for the rules. Without rules nobody needs one.
func (a *Adapter) look(ctx context.Context) {
	s := a.current.Load()
	if len(s.config.Health.Rules) == 0 {
		return
	}
	r, err := s.gatherer.round(ctx, 0)
	if err != nil {
		return
	}
	before := s.judge.States()
	s.judge.look(r)
	states := s.judge.States()
	s.metrics.judged(states, all(states, (*RuleState).healthy))
	for i := range states {
		if now, was := &states[i], &before[i]; now.Verdict != was.Verdict {
			a.log.Info("a rule's verdict changed", "rule", now.Name, "verdict", now.Verdict, "before", was.Verdict, "why", now.Why)
		}
	}
}
