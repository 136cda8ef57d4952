package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"text/template"
	"time"
)

const (
	// commandTimeout is for a command that says nothing else; upstream waits for ever.
	commandTimeout = 30 * time.Second
	shell          = "/bin/sh"
	// maxOutput is how much of a command's output goes into an error.
	maxOutput = 2048
)

// runCommand has the shell run a command in which {{.src}} and {{.dest}} stand for the files. It ends with its processes
// when the time is over.
func runCommand(ctx context.Context, command string, timeout time.Duration, files map[string]string) error {
	parsed, err := template.New("command").Option("missingkey=error").Parse(command)
	if err != nil {
		return err
	}
	var line strings.Builder
	if err := parsed.Execute(&line, files); err != nil {
		return err
	}
	if timeout == 0 {
		timeout = commandTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell, "-c", line.String())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out := &tail{}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist) && !hasShell():
		return fmt.Errorf("%q needs %s, which this image has not", line.String(), shell)
	case ctx.Err() != nil:
		return fmt.Errorf("%q took longer than %s: %s", line.String(), timeout, out)
	default:
		return fmt.Errorf("%q: %w: %s", line.String(), err, out)
	}
}

func hasShell() bool {
	_, err := os.Stat(shell)
	return err == nil
}

// tail keeps the last of what is written.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - maxOutput; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.text)) }
