// Command pillion-node is the node helper, and the gate that waits for it in a Pod.
//
//	pillion-node agent         on every node: answer the container runtime
//	pillion-node gate          in a Pod: end well once the Pod's traffic is redirected
//	pillion-node inspect POD   on a node, by root: say what there is of a Pod
//	pillion-node capabilities  say what this node can do
//	pillion-node version
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/pflag"
)

// version is set by the linker for releases.
var version = ""

const usage = `usage: pillion-node agent|gate|inspect|capabilities|version [flags]
`

// commands by name.
var commands = map[string]func(ctx context.Context, args []string) error{"agent": agent, "gate": waitAtGate, "inspect": inspect, "capabilities": capabilities, "version": printVersion}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	// The first signal stops it; another one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	err := commands[os.Args[1]](ctx, os.Args[2:])
	var bad *usageError
	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
	case errors.As(err, &bad):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "pillion-node:", err)
		os.Exit(1)
	}
}

// usageError is a mistake in the arguments.
type usageError struct{ error }

// Unwrap gives the cause.
func (e *usageError) Unwrap() error { return e.error }

// parse reads flags, and refuses arguments behind them.
func parse(f *pflag.FlagSet, args []string) error {
	f.SortFlags = false
	f.SetOutput(os.Stderr)
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return &usageError{err}
	}
	if f.NArg() > 0 {
		return &usageError{fmt.Errorf("unexpected argument %q", f.Arg(0))}
	}
	return nil
}

func newLog(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, &usageError{fmt.Errorf("--log-level: want debug, info, warn or error, got %q", level)}
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}

func printVersion(context.Context, []string) error {
	fmt.Println("pillion-node", versionText())
	return nil
}

// versionText is the release, or else what the Go toolchain knows of the source.
func versionText() string {
	if version != "" {
		return version
	}
	text := "devel"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			if s.Key == "vcs.revision" {
				text += "-" + s.Value
			}
		}
	}
	return text
}
