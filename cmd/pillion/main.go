// Command pillion injects sidecars into the Pods of manifests, shows what would change, takes sidecars out again, explains
// what a Pod gets and why, and proves and tests catalogs. It contacts a cluster only where a flag says so. Installed as
// kubectl-pillion it is a plugin of kubectl.
package main

import (
	"os"
	"runtime/debug"

	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/live"
	"github.com/pillion-dev/pillion/program"
)

// gcPercent lets the heap grow to five times what is in use: a run is short, and its documents come and go one by one.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	os.Exit(cli.Run(&cli.Process{
		Args: os.Args,
		In:   os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv:  os.Getenv,
		Connect: connect,
		Version: program.Version(),
	}))
}

func connect(kubeconfig, context string) (cli.Server, string, error) {
	server, err := live.Open(kubeconfig, context)
	if err != nil {
		return nil, "", err
	}
	return server, server.DefaultNamespace(), nil
}
