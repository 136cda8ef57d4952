// Package program is what all of Pillion's programs have in common: how they read flags, log, stop, exit, and which version they
// say they are.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// Run is a program. It ends when ctx does.
type Run func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// Main runs a program with the process's arguments, and ends the process with its exit code. The first SIGTERM or SIGINT ends the
// context; another one ends the process at once.
func Main(run Run) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	os.Exit(ExitCode(run(ctx, os.Args[1:], os.Stdout, os.Stderr), os.Stderr))
}

// ExitCode writes err, unless it is Logged, and gives 0 for none or a call for help, 2 for a UsageError, the code of an ExitError,
// and else 1.
func ExitCode(err error, stderr io.Writer) int {
	var usage *UsageError
	var exit ExitError
	var logged *loggedError
	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
		return 0
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &logged):
		return 1
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, err)
		return 2
	}
	fmt.Fprintln(stderr, err)
	return 1
}

// ExitError is an exit code whose reason has been said.
type ExitError int

// Error gives the code.
func (e ExitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// UsageError is a mistake in the arguments.
type UsageError struct{ Err error }

// Error gives the mistake.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Usage is fmt.Errorf for a UsageError.
func Usage(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

type loggedError struct{ error }

func (e *loggedError) Unwrap() error { return e.error }

// Logged writes why a program ends to its log, where err is one.
func Logged(log *slog.Logger, err error) error {
	if err == nil {
		return nil
	}
	log.Error("exit", "error", err.Error())
	return &loggedError{err}
}
