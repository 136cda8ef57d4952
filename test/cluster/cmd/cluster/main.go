// Command cluster builds and runs the control plane of package cluster by hand:
//
//	cluster build [--with kubectl]   build the programs, if they are missing
//	cluster up [--dir D]             run a control plane until SIGINT or SIGTERM
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/pillion-dev/pillion/test/cluster"
)

const usage = `usage: cluster build [--with kubectl]
       cluster up [--dir DIR]
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// errUsage says that the message has been written already.
var errUsage = errors.New("usage")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	flags := flag.NewFlagSet("cluster "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	switch args[0] {
	case "build":
		with := flags.String("with", "", "comma-separated programs to build besides the control plane: kubectl")
		if err := parse(flags, args[1:]); err != nil {
			return err
		}
		return build(ctx, *with, stdout, stderr)
	case "up":
		dir := flags.String("dir", "", "directory for data, keys and logs, kept afterwards (default a temporary one)")
		if err := parse(flags, args[1:]); err != nil {
			return err
		}
		return up(ctx, *dir, stdout, stderr)
	}
	fmt.Fprintf(stderr, "cluster: unknown command %q\n%s", args[0], usage)
	return errUsage
}

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
	dir, err := cluster.Build(ctx, stderr, strings.FieldsFunc(with, func(r rune) bool { return r == ',' })...)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, dir)
	return nil
}

// up prints the one line that a shell needs and then waits for the end of ctx.
func up(ctx context.Context, dir string, stdout, stderr io.Writer) error {
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
