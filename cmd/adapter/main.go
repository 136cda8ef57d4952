// Command adapter makes health of metrics, metrics of status pages, and one page of metrics of many; see package adapter.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/adapter"
	"github.com/pillion-dev/pillion/program"
	"github.com/pillion-dev/pillion/settle"
)

// gcPercent trades a little CPU for memory: the heap is small, and grows by a round's metrics only for a moment.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	program.Main(run)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := pflag.NewFlagSet("adapter", pflag.ContinueOnError)
	config := f.String("config", "/etc/adapter/adapter.yaml", "the configuration `file`")
	reload := f.Duration("reload", 5*time.Second, "how often the configuration files are looked at for changes")
	check := f.Bool("check", false, "check the configuration, print every mistake in it, and exit")
	showVersion := f.Bool("version", false, "print the version and exit")
	if err := program.Parse(f, args, 0, stderr); err != nil {
		return err
	}
	if *reload < 10*time.Millisecond {
		return program.Usage("--reload is at least 10ms")
	}
	if *showVersion {
		_, err := fmt.Fprintln(stdout, "adapter", program.Version())
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	a, err := adapter.New(adapter.Options{Config: *config, Reload: *reload, Version: program.Version(), Log: log})
	if err != nil || *check {
		return err
	}
	l, err := net.Listen("tcp", a.Listen())
	if err != nil {
		return err
	}
	log.Info("listening", "address", l.Addr().String(), "config", *config)
	defer log.Info("end")
	defer settle.After(settle.Pause, nil)()
	return a.Serve(ctx, l)
}
