// Command images makes the images of the test bed as OCI archives, for `ctr -n k8s.io images import`:
//
//	images list                         what can be made, and what Pods call it
//	images build [NAME...] [--out DIR]  make them, all by default; prints where each is
//
// With --out the archives are DIR/NAME.tar, otherwise where the cache has them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pillion-dev/pillion/test/images"
)

const usage = "usage: images list | images build [NAME...] [--out DIR]\n"

// errUsage says that the message has been written already.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "list":
		return list(stdout)
	case len(args) > 0 && args[0] == "build":
		return build(ctx, args[1:], stdout, stderr)
	}
	fmt.Fprint(stderr, usage)
	return errUsage
}

func list(stdout io.Writer) error {
	all, err := images.List()
	for _, i := range all {
		fmt.Fprintf(stdout, "%s\t%s\n", i.Name, strings.Join(i.Refs, " "))
	}
	return err
}

func build(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("images build", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("out", "", "`directory` to put NAME.tar into")
	var wanted []string
	for rest := args; len(rest) > 0; { // names before flags, too
		if err := flags.Parse(rest); err != nil {
			return errUsage
		}
		if rest = flags.Args(); len(rest) > 0 {
			wanted, rest = append(wanted, rest[0]), rest[1:]
		}
	}
	archives, err := images.Build(ctx, stderr, wanted...)
	if err != nil {
		return err
	}
	for _, a := range archives {
		path := a.Path
		if *out != "" {
			path = filepath.Join(*out, a.Name+".tar")
			if err := a.PutInto(path); err != nil {
				return err
			}
		}
		fmt.Fprintln(stdout, path)
	}
	return nil
}
