//go:build linux

package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are what the process decides on.
type Options struct {
	// Config is the main file's name.
	Config string
	// Reload is how often the configuration is looked at for changes.
	Reload  time.Duration
	Version string
	Log     *slog.Logger
}

// Runner is a running runner.
type Runner struct {
	options Options
	log     *slog.Logger
	metrics *metrics
	reaper  *reaper
	events  *events
	files   string // the configuration as it was looked at last

	mu       sync.Mutex
	config   *Config
	jobs     []*job
	mistakes string
	ending   bool
	runs     sync.WaitGroup
	changed  chan struct{} // the schedule
	end      context.CancelFunc
	running  context.Context
}

// job is a job and what became of it.
type job struct {
	*Job
	number  int
	current *Run
	last    *Run
	next    time.Time // zero without a schedule
	waiting []*ticket
}

// ticket is a run that was asked for; done is closed when it has ended.
type ticket struct {
	trigger string
	run     *Run
	done    chan struct{}
}

// The triggers of a run.
const (
	bySchedule = "schedule"
	byDemand   = "demand"
)

// maxWaiting bounds the runs of one job that wait.
const maxWaiting = 16

// The reasons for which a run is not made.
var (
	errBusy    = errors.New("is running already, and its concurrency is forbid")
	errFull    = fmt.Errorf("has %d runs waiting already", maxWaiting)
	errEnding  = errors.New("the runner is ending")
	errUnknown = errors.New("no such job")
)

// New reads the configuration; the error has every mistake in it.
func New(o Options) (*Runner, error) {
	files, err := readFiles(o.Config)
	if err != nil {
		return nil, err
	}
	config, err := parse(files)
	if err != nil {
		return nil, err
	}
	r := &Runner{options: o, log: o.Log, metrics: newMetrics(o.Version), changed: make(chan struct{}, 1), files: fmt.Sprintf("%q", files)}
	r.running, r.end = context.WithCancel(context.Background())
	if r.reaper, err = newReaper(); err != nil {
		return nil, err
	}
	if r.events, err = newEvents(config.Events, o.Log); err != nil {
		return nil, err
	}
	r.use(config)
	r.metrics.configGood.Set(1)
	return r, nil
}

// use takes a configuration up. Jobs that stay keep their numbers and last run; one that is under way ends as it began.
func (r *Runner) use(c *Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.config != nil {
		c.Listen, c.Socket, c.Events = r.config.Listen, r.config.Socket, r.config.Events // these live as long as the process
	}
	before := r.jobs
	r.config, r.jobs = c, nil
	now := time.Now()
	for _, j := range c.Jobs {
		next := &job{}
		if i := slices.IndexFunc(before, func(b *job) bool { return b.Name == j.Name }); i >= 0 {
			next = before[i]
		}
		next.Job = j
		next.next = time.Time{}
		if j.next != nil {
			next.next = j.next.Next(now)
		}
		r.jobs = append(r.jobs, next)
	}
	r.metrics.schedule(r.jobs)
	r.poke()
}

func (r *Runner) poke() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Reload takes up a configuration that changed; one with mistakes changes nothing.
func (r *Runner) Reload() {
	files, err := readFiles(r.options.Config)
	text := fmt.Sprintf("%q", files)
	if err != nil {
		text += err.Error()
	}
	if text == r.files {
		return
	}
	r.files = text
	var config *Config
	if err == nil {
		config, err = parse(files)
	}
	r.metrics.reload(err == nil)
	r.mu.Lock()
	r.mistakes = ""
	if err != nil {
		r.mistakes = err.Error()
	}
	r.mu.Unlock()
	if err != nil {
		r.log.Error("the configuration stays as it was", "err", err.Error())
		return
	}
	r.use(config)
	r.log.Info("the configuration was taken up", "jobs", len(config.Jobs))
}

// ask begins a run, or lets it wait for the one under way.
func (r *Runner) ask(name, trigger string) (*ticket, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending {
		return nil, errEnding
	}
	i := slices.IndexFunc(r.jobs, func(j *job) bool { return j.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%w; there are: %s", errUnknown, r.names())
	}
	j, t := r.jobs[i], &ticket{trigger: trigger, done: make(chan struct{})}
	switch {
	case j.current == nil:
		r.begin(j, t)
	case j.Concurrency == forbid:
		r.metrics.skipped.WithLabelValues(j.Name).Inc()
		return nil, errBusy
	case len(j.waiting) >= maxWaiting, trigger == bySchedule && len(j.waiting) > 0:
		r.metrics.skipped.WithLabelValues(j.Name).Inc()
		return nil, errFull
	default:
		j.waiting = append(j.waiting, t)
	}
	return t, nil
}

func (r *Runner) names() string {
	names := make([]string, len(r.jobs))
	for i, j := range r.jobs {
		names[i] = j.Name
	}
	return strings.Join(names, ", ")
}

// begin starts a run; the lock is held.
func (r *Runner) begin(j *job, t *ticket) {
	j.number++
	t.run = &Run{Job: j.Name, Number: j.number, Trigger: t.trigger, Started: time.Now()}
	j.current = t.run
	config, declared := r.config, j.Job
	r.metrics.running.WithLabelValues(j.Name).Set(1)
	r.runs.Go(func() {
		run := *t.run
		r.execute(r.running, config, declared, &run)
		r.events.report(&run)
		r.ended(j, t, &run)
	})
}

// ended keeps a run's outcome and begins the next one that waits.
func (r *Runner) ended(j *job, t *ticket, run *Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.run, j.last, j.current = run, run, nil
	close(t.done)
	r.metrics.ended(run)
	waiting := j.waiting
	j.waiting = nil
	for i, next := range waiting {
		if !r.ending && i == 0 {
			j.waiting = waiting[1:]
			r.begin(j, next)
			return
		}
		next.run = &Run{Job: j.Name, Trigger: next.trigger}
		next.run.notStarted(errEnding)
		close(next.done)
	}
}

// schedule runs jobs when they are due, until the context ends.
func (r *Runner) schedule(ctx context.Context) {
	for {
		var due <-chan time.Time
		if next := r.soonest(); !next.IsZero() {
			timer := time.NewTimer(time.Until(next))
			defer timer.Stop()
			due = timer.C
		}
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		case <-due:
			r.due(time.Now())
		}
	}
}

func (r *Runner) soonest() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out time.Time
	for _, j := range r.jobs {
		if !j.next.IsZero() && (out.IsZero() || j.next.Before(out)) {
			out = j.next
		}
	}
	return out
}

// due asks for every job whose time has come, once, however late it is: a Pod that slept does not make up for what it missed.
func (r *Runner) due(now time.Time) {
	r.mu.Lock()
	var names []string
	for _, j := range r.jobs {
		if !j.next.IsZero() && !j.next.After(now) {
			names = append(names, j.Name)
			j.next = j.Job.next.Next(now)
		}
	}
	r.metrics.schedule(r.jobs)
	r.mu.Unlock()
	for _, name := range names {
		if _, err := r.ask(name, bySchedule); err != nil {
			r.log.Warn("a scheduled run was left out", "job", name, "err", err.Error())
		}
	}
}

// stop ends all runs, and waits for them.
func (r *Runner) stop() {
	r.mu.Lock()
	r.ending = true
	r.mu.Unlock()
	r.end()
	r.runs.Wait()
	r.events.close()
}
