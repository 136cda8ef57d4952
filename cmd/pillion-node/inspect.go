package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/node"
)

// inspect asks the helper of this node about a Pod.
func inspect(ctx context.Context, args []string) error {
	f := pflag.NewFlagSet("pillion-node inspect [NAMESPACE/]POD", pflag.ContinueOnError)
	f.SetOutput(os.Stderr)
	dir := f.String("state-dir", "/run/pillion", "directory of the helper's socket")
	space := f.StringP("namespace", "n", "default", "the Pod's Namespace")
	output := f.StringP("output", "o", "text", "text, json or svg")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return &usageError{err}
	}
	if f.NArg() != 1 {
		return &usageError{fmt.Errorf("want one Pod, got %d", f.NArg())}
	}
	if *output != "text" && *output != "json" && *output != "svg" {
		return &usageError{fmt.Errorf("--output: want text, json or svg, got %q", *output)}
	}
	name := f.Arg(0)
	if before, after, ok := strings.Cut(name, "/"); ok {
		*space, name = before, after
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	p, err := node.Ask(ctx, *dir, *space, name)
	if err != nil {
		return err
	}
	switch *output {
	case "json":
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(p)
	case "svg":
		_, err = fmt.Print(p.SVG())
	default:
		_, err = fmt.Print(p.Text())
	}
	return err
}
