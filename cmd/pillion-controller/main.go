// Command pillion-controller keeps the catalog's entries on the API server in order: it serves the validating webhook that
// refuses bad ones and, as the leader of its replicas, writes their status. controller/rbac.yaml lists the rights it needs.
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
	if len(args) > 0 && args[0] == "uninstall" {
		return startUninstall(ctx, args[1:], errs)
	}
	config, err := parseFlags(args, os.Getenv("POD_NAMESPACE"), errs)
	if err != nil {
		return err
	}
	if config.Version {
		_, err := fmt.Fprintln(out, "pillion-controller", program.Version())
		return err
	}
	log, err := config.Log(errs)
	if err != nil {
		return err
	}
	return program.Logged(log, run(ctx, config, log, out))
}
