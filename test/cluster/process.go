package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// process is a running program whose output goes to a file.
type process struct {
	name string
	log  string // path of its output
	from int64  // where its output begins, after that of earlier runs
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// startProcess runs the program at path, in dir and with its output in dir/<name>.log, until stop or until the calling
// program ends, however it ends.
func startProcess(path, dir string, args ...string) (*process, error) {
	name := filepath.Base(path)
	output, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	earlier, err := output.Stat()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	// An environment of its own: a proxy or a tuning variable of the user must not change what a test sees.
	cmd.Env = []string{"HOME=" + dir, "TMPDIR=" + dir}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = diesWithParent()

	p := &process{name: name, log: output.Name(), from: earlier.Size(), cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel ends the child when the thread that started it ends. A thread may end before the program does (a
		// locked goroutine that returns takes its thread along), so this one is kept for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is read from cmd.ProcessState
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// stop kills the process and waits for its end. It may be called again, and on nil.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // the one error is that it has ended already
	<-p.done
}

// errPortTaken marks the one failure that another attempt, with other ports, can mend.
var errPortTaken = errors.New("port taken")

// failure is nil while the process runs; after that it says how it ended, with its last words.
func (p *process) failure() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	words := p.lastWords()
	err := fmt.Errorf("%s ended: %v\n%s", p.name, p.cmd.ProcessState, words)
	if strings.Contains(words, "address already in use") {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return err
}

func (p *process) lastWords() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(b[min(p.from, int64(len(b))):]), 12)
}

// lastLines returns the last n lines of s, each cut to a readable length.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		if len(line) > 400 {
			lines[i] = line[:400] + "…"
		}
	}
	return strings.Join(lines, "\n")
}
