// Command cluster runs the test bed by hand:
//
//	cluster build [--with node]       build the programs, if they are missing
//	cluster control-plane [--dir D]   run etcd, API server and controller-manager alone until SIGINT or SIGTERM; no root
//	cluster up                        bring a whole instance up: control plane and nodes; needs root and Linux
//	cluster status                    list its components with their memory, start time and address
//	cluster exec -- COMMAND           run a command inside; `go test -exec "cluster exec --"` runs tests there
//	cluster load IMAGE.tar...         import image archives into its nodes
//	cluster down                      end it and remove all that it was
//
// Instances have names (--name), so several run at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/pillion-dev/pillion/test/cluster"
)

const usage = `usage: cluster build [--with PROGRAM,...]
       cluster control-plane [--dir DIR]
       cluster up [--name NAME] [--dir DIR] [--nodes 1|2] [--node-memory SIZE,...] [--node-grace DURATION]
                  [--ready-timeout DURATION]
       cluster status [--name NAME] [--dir DIR]
       cluster exec [--name NAME] [--dir DIR] [--node 1|2] -- COMMAND [ARGUMENT...]
       cluster load [--name NAME] [--dir DIR] IMAGE.tar...
       cluster down [--name NAME] [--dir DIR]
`

func main() {
	startInside()
	os.Exit(exitCode(run(os.Args[1:], os.Stdout, os.Stderr)))
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode() // the program's own: it has said what is wrong
	}
	fmt.Fprintln(os.Stderr, "cluster:", err)
	return 1
}

// errUsage says that the message has been written already.
var errUsage = errors.New("usage")

func run(args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	if args[0] == "exec" {
		// An interrupt is for the program that is run: this one ends after it.
		return runNode(context.Background(), args[0], args[1:], stdout, stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return runUntil(ctx, args, stdout, stderr)
}

// runUntil runs a command that ends with ctx.
func runUntil(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags(args[0], stderr)
	switch args[0] {
	case "build":
		with := flags.String("with", "", "comma-separated programs to build besides the control plane; node is all of them")
		if err := parse(flags, args[1:]); err != nil {
			return err
		}
		return build(ctx, *with, stdout, stderr)
	case "control-plane":
		dir := flags.String("dir", "", "directory for data, keys and logs, kept afterwards (default a temporary one)")
		if err := parse(flags, args[1:]); err != nil {
			return err
		}
		return controlPlane(ctx, *dir, stdout, stderr)
	case "up", "status", "load", "down":
		return runNode(ctx, args[0], args[1:], stdout, stderr)
	}
	fmt.Fprintf(stderr, "cluster: unknown command %q\n%s", args[0], usage)
	return errUsage
}

func newFlags(command string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("cluster "+command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	return flags
}

// parse is for commands that have flags alone.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(flags.Output(), "cluster: unexpected argument %q\n%s", flags.Arg(0), usage)
		return errUsage
	}
	return nil
}

// build prints the directory of the programs.
func build(ctx context.Context, with string, stdout, stderr io.Writer) error {
	dir, err := cluster.Build(ctx, stderr, list(with)...)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, dir)
	return nil
}

// list splits a flag's value at its commas; an empty one has no parts.
func list(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
}

// controlPlane prints the one line that a shell needs and then waits for the end of ctx.
func controlPlane(ctx context.Context, dir string, stdout, stderr io.Writer) error {
	c, err := cluster.Start(ctx, cluster.Config{Dir: dir, Log: stderr})
	if err != nil {
		return err
	}
	defer c.Stop()
	fmt.Fprintf(stdout, "export KUBECONFIG='%s'\n", c.Kubeconfig())
	<-ctx.Done()
	fmt.Fprintln(stderr, "cluster: stopping")
	return nil
}
