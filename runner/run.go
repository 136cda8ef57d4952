//go:build linux

package runner

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Run is one run of a job.
type Run struct {
	Job     string    `json:"job"`
	Number  int       `json:"run"`
	Trigger string    `json:"trigger"` // schedule or demand
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	// ExitCode of the script, 128 and the signal's number where one ended it, 127 where it could not be started.
	ExitCode int `json:"exitCode"`
	// Result is succeeded, failed, timeout, stopped (the runner was told to end) or not-started.
	Result string `json:"result"`
	Error  string `json:"error,omitempty"`
	// Output is the last of what it wrote, as in the log.
	Output []string `json:"output"`
}

// The values of Run.Result.
const (
	succeeded  = "succeeded"
	failed     = "failed"
	timedOut   = "timeout"
	stopped    = "stopped"
	notStarted = "not-started"
)

func results() []string { return []string{succeeded, failed, timedOut, stopped, notStarted} }

// markVariable marks the processes of a run.
const markVariable = "PILLION_RUN"

// execute runs a job's script to its end. Cancelling the context ends it early.
func (r *Runner) execute(ctx context.Context, c *Config, j *Job, run *Run) {
	ctx, cancel := context.WithTimeoutCause(ctx, j.Timeout, context.DeadlineExceeded)
	defer cancel()
	log := r.log.With("job", j.Name, "run", run.Number)
	log.Info("the script starts", "trigger", run.Trigger, "script", j.Script)
	run.Started = time.Now()
	r.script(ctx, c, j, run, log)
	run.Seconds = time.Since(run.Started).Seconds()
	level := slog.LevelInfo
	if run.Result != succeeded {
		level = slog.LevelWarn
	}
	log.Log(context.WithoutCancel(ctx), level, "the script ended", "result", run.Result, "exitCode", run.ExitCode, "seconds", run.Seconds, "error", run.Error)
}

func (r *Runner) script(ctx context.Context, c *Config, j *Job, run *Run, log *slog.Logger) {
	mark := fmt.Sprintf("%s=%s/%d/%d", markVariable, j.Name, os.Getpid(), run.Number)
	cmd, err := command(filepath.Join(c.Scripts, j.Script), j.Args)
	if err != nil {
		run.notStarted(err)
		return
	}
	cmd.Dir = c.Directory
	cmd.Env = append(environment(), mark, "PILLION_JOB="+j.Name, "PILLION_TRIGGER="+run.Trigger)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var output output
	output.log = log
	wait, err := output.connect(cmd)
	if err != nil {
		run.notStarted(err)
		return
	}
	err = r.reaper.start(func() (int, error) {
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		return cmd.Process.Pid, nil
	})
	output.started()
	if err == nil {
		run.ended(ctx, r.wait(ctx, cmd, c.Grace))
		r.reaper.kill(mark)
	} else {
		run.notStarted(err)
	}
	wait()
	run.Output = output.last()
}

// environment is the container's, without what is meant for this program.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GOMEMLIMIT=") || strings.HasPrefix(v, "GOGC=")
	})
}

// wait waits for the script; when the context ends first, its process group gets SIGTERM, and SIGKILL after the grace. What
// is left of the group when the script has ended is killed.
func (r *Runner) wait(ctx context.Context, cmd *exec.Cmd, grace time.Duration) error {
	pid := cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		_ = syscall.Kill(-pid, syscall.SIGKILL) // gone already
		r.reaper.waited(pid)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	_ = syscall.Kill(-pid, syscall.SIGTERM) // gone already
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
		_ = syscall.Kill(-pid, syscall.SIGKILL) // gone already
		return <-ended
	}
}

func (run *Run) notStarted(err error) {
	run.Result, run.ExitCode, run.Error = notStarted, 127, err.Error()
}

func (run *Run) ended(ctx context.Context, err error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		run.Result = succeeded
	case errors.As(err, &exit):
		run.Result, run.ExitCode = failed, exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			run.ExitCode, run.Error = 128+int(status.Signal()), "ended by "+status.Signal().String()
		}
	default:
		run.notStarted(err)
	}
	switch {
	case ctx.Err() == nil:
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		run.Result, run.Error = timedOut, "took longer than its timeout"
	default:
		run.Result, run.Error = stopped, "the runner was told to end"
	}
}

// command says how a script is run: by the program that its first line names, by itself where it is a program, or else by
// /bin/sh. The file need not be executable, as a ConfigMap's is not.
func command(path string, args []string) (*exec.Cmd, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	line, _, _ := bytes.Cut(head[:n], []byte("\n"))
	switch {
	case bytes.HasPrefix(line, []byte("\x7fELF")):
		return exec.Command(path, args...), nil
	case !bytes.HasPrefix(line, []byte("#!")):
		return exec.Command("/bin/sh", append([]string{path}, args...)...), nil
	}
	// As the kernel reads it: a path, and all that follows is one argument.
	interpreter, argument, _ := strings.Cut(strings.TrimSpace(string(line[2:])), " ")
	if !filepath.IsAbs(interpreter) {
		return nil, fmt.Errorf("%s: its first line names no program by an absolute path", filepath.Base(path))
	}
	list := []string{path}
	if argument = strings.TrimSpace(argument); argument != "" {
		list = []string{argument, path}
	}
	return exec.Command(interpreter, append(list, args...)...), nil
}

// The bounds of output: of one line, and of what is kept for the status.
const (
	maxLine = 16 << 10
	maxKept = 40
	maxTail = 8 << 10
)

// output passes a script's output on, line by line.
type output struct {
	log     *slog.Logger
	writers []*os.File
	readers sync.WaitGroup

	mu   sync.Mutex
	tail []string
	size int
}

// connect gives the command its pipes; the function waits until all that was written is passed on.
func (o *output) connect(cmd *exec.Cmd) (wait func(), err error) {
	for _, stream := range []struct {
		name string
		into *io.Writer
	}{{"stdout", &cmd.Stdout}, {"stderr", &cmd.Stderr}} {
		r, w, err := os.Pipe()
		if err != nil {
			o.started()
			return nil, err
		}
		*stream.into = w
		o.writers = append(o.writers, w)
		o.readers.Go(func() { defer r.Close(); o.read(r, stream.name) })
	}
	return o.readers.Wait, nil
}

// started closes our ends of the pipes, so that they end with the script's.
func (o *output) started() {
	for _, w := range o.writers {
		w.Close()
	}
}

func (o *output) read(from io.Reader, stream string) {
	lines := bufio.NewReaderSize(from, maxLine)
	for {
		// A line that is longer comes in pieces.
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		text := strings.ToValidUTF8(string(line), "\uFFFD")
		o.log.Info(text, "stream", stream)
		o.keep(text)
	}
}

func (o *output) keep(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(text) > maxTail/4 {
		text = strings.ToValidUTF8(text[:maxTail/4], "") + "…"
	}
	o.tail, o.size = append(o.tail, text), o.size+len(text)
	for len(o.tail) > maxKept || o.size > maxTail {
		o.size -= len(o.tail[0])
		o.tail = o.tail[1:]
	}
}

func (o *output) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string{}, o.tail...)
}
