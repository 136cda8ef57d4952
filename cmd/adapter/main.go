// Command adapter makes health of metrics, metrics of status pages, and one page of metrics of many; see package adapter.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/adapter"
)

// version is set by the linker for releases.
var version = "devel"

// gcPercent trades a little CPU for memory: the heap is small, and grows by a round's metrics only for a moment.
const gcPercent = 50

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // another signal ends the process at once
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Stdout, os.Stderr), os.Stderr))
}

// errUsage says that the flags are wrong.
var errUsage = errors.New("usage")

// exitCode is 0, 1 for a mistake in the configuration or a port that is taken, or 2 for wrong flags.
func exitCode(err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(stderr, err)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := pflag.NewFlagSet("adapter", pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(stderr)
	config := f.String("config", "/etc/adapter/adapter.yaml", "the configuration `file`")
	reload := f.Duration("reload", 5*time.Second, "how often the configuration files are looked at for changes")
	check := f.Bool("check", false, "check the configuration, print every mistake in it, and exit")
	showVersion := f.Bool("version", false, "print the version and exit")
	if err := f.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if f.NArg() > 0 || *reload < 10*time.Millisecond {
		return fmt.Errorf("%w: adapter takes no arguments, and --reload at least 10ms", errUsage)
	}
	if *showVersion {
		_, err := fmt.Fprintln(stdout, "adapter", version)
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	a, err := adapter.New(adapter.Options{Config: *config, Reload: *reload, Version: version, Log: log})
	if err != nil || *check {
		return err
	}
	l, err := net.Listen("tcp", a.Listen())
	if err != nil {
		return err
	}
	log.Info("listening", "address", l.Addr().String(), "config", *config)
	defer log.Info("end")
	return a.Serve(ctx, l)
}
