// Command pillion-webhook serves Pillion's admission webhook: it answers the AdmissionReviews of Pods that ask for
// sidecars. It needs no right but, for the defaults of Namespaces, to list and watch them.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/pillion-dev/pillion/program"
)

func main() { program.Main(start) }

func start(ctx context.Context, args []string, out, errs io.Writer) error {
	config, err := parseFlags(args, os.Getenv("POD_NAMESPACE"), errs)
	if err != nil {
		return err
	}
	if config.Version {
		_, err := fmt.Fprintln(out, "pillion-webhook", program.Version())
		return err
	}
	log, err := config.Log(errs)
	if err != nil {
		return err
	}
	if err := pingOften(); err != nil {
		return program.Logged(log, err)
	}
	return program.Logged(log, run(ctx, config, log, out))
}

// pingOften has client-go find within seconds, and not within 45, that nobody is at the other end of a watch any more: without
// an error of the network, silence looks like a catalog that does not change. What the environment says wins.
func pingOften() error {
	for _, name := range []string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS", "HTTP2_PING_TIMEOUT_SECONDS"} {
		if _, said := os.LookupEnv(name); said {
			continue
		}
		if err := os.Setenv(name, "2"); err != nil {
			return err
		}
	}
	return nil
}
