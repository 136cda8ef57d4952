// Command confd renders an app's config files from etcd, Kubernetes, files or the environment, and has the app read them
// again. It reads the template resources and templates of upstream confd; docs/sidecars/confd.md describes it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/program"
)

// gcPercent trades a little CPU for memory: the heap is small, and grows by a round's rendering only for a moment.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	program.Main(command)
}

func command(ctx context.Context, args []string, out, errs io.Writer) error {
	o, err := parseFlags(args, os.Getenv, errs)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case err != nil:
		return &program.UsageError{Err: err}
	case o.version:
		_, err := fmt.Fprintln(out, "confd", program.Version())
		return err
	}
	log := slog.New(slog.NewJSONHandler(errs, &slog.HandlerOptions{Level: o.level}))
	return program.Logged(log, run(ctx, o, log))
}
