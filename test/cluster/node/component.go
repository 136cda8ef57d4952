//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Component is one program of an instance.
type Component struct {
	Name    string
	Node    string
	Address string // where it listens
	Started time.Time
	Ready   time.Duration // from its start until it did its work, 0 before that

	// PID is the program's number on this machine, 0 when it has ended; RSS is its resident memory in bytes.
	PID int
	RSS int64

	// Inside is its number inside the instance.
	Inside int
}

// defaultReadyTimeout is far above what a slow machine takes, so that a start cannot hang a test run.
const defaultReadyTimeout = 3 * time.Minute

// running is a component seen from the supervisor, its parent.
type running struct {
	Component
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
}

// command is what start needs to know of a component.
type command struct {
	name    string
	address string
	args    []string
}

// start runs a program on a node, which its first process stands for; 0 is the node that this process is on.
func start(p plan, m member, first int, c command) (*running, error) {
	log, err := os.OpenFile(filepath.Join(p.Dir, "logs", m.Name+"-"+c.name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(p.Bin, c.name), c.args...)
	cmd.Dir = p.Dir
	// An environment of its own: a proxy or a tuning variable of the user must not change what a test sees.
	cmd.Env = []string{"HOME=" + p.Dir, "PATH=" + p.path(), "NODE_NAME=" + m.Name}
	cmd.Stdout, cmd.Stderr = log, log
	r := &running{
		Component: Component{Name: c.name, Node: m.Name, Address: c.address, Started: time.Now()},
		cmd:       cmd, log: log.Name(), done: make(chan struct{}),
	}
	begin := cmd.Start
	if first != 0 {
		begin = func() error { return inNamespaces(first, cmd.Start) }
	}
	if err := begin(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	r.Inside = cmd.Process.Pid
	go func() {
		_ = cmd.Wait() // how it ended is read from cmd.ProcessState
		close(r.done)
	}()
	return r, nil
}

// await returns when reached does not fail any more, or with the reason why that will not be, after timeout at the latest.
func (r *running) await(ctx context.Context, timeout time.Duration, reached func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		err := reached(ctx)
		if err == nil {
			r.Ready = time.Since(r.Started)
			return nil
		}
		select {
		case <-r.done:
			return fmt.Errorf("%s ended: %v\n%s", r.Name, r.cmd.ProcessState, lastWords(r.log))
		case <-ctx.Done():
			return fmt.Errorf("wait for %s on %s: %w (%w)\n%s", r.Name, r.Node, ctx.Err(), err, lastWords(r.log))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// lastWords are the last lines of a log, each cut to a readable length.
func lastWords(log string) string {
	b, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	lines = lines[max(0, len(lines)-12):]
	for i, line := range lines {
		if len(line) > 400 {
			lines[i] = line[:400] + "…"
		}
	}
	return strings.Join(lines, "\n")
}

// run runs a short program on a node, as start does, and returns its output only where it fails.
func run(ctx context.Context, p plan, first int, stdin, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, p.ReadyTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"HOME=" + p.Dir, "PATH=" + p.path()}
	cmd.Stdin = strings.NewReader(stdin)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	begin := cmd.Run
	if first != 0 {
		begin = func() error { return inNamespaces(first, cmd.Run) }
	}
	if err := begin(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, output.String())
	}
	return nil
}

var errNotReady = errors.New("not ready")
