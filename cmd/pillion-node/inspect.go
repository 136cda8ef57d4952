package main

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/node"
	"github.com/pillion-dev/pillion/program"
)

// inspect asks the helper of this node about a Pod.
func inspect(ctx context.Context, args []string, out, errs io.Writer) error {
	f := pflag.NewFlagSet("pillion-node inspect [NAMESPACE/]POD", pflag.ContinueOnError)
	dir := f.String("state-dir", "/run/pillion", "directory of the helper's socket")
	space := f.StringP("namespace", "n", "default", "the Pod's Namespace")
	output := f.StringP("output", "o", "text", "text, json or svg")
	if err := program.Parse(f, args, 1, errs); err != nil {
		return err
	}
	if *output != "text" && *output != "json" && *output != "svg" {
		return program.Usage("--output: want text, json or svg, got %q", *output)
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
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(p)
	case "svg":
		_, err = io.WriteString(out, p.SVG())
	default:
		_, err = io.WriteString(out, p.Text())
	}
	return err
}
