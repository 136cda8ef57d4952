package main

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/node"
	"github.com/pillion-dev/pillion/program"
)

// capabilities prints what the node can do.
func capabilities(ctx context.Context, args []string, out, errs io.Writer) error {
	f := pflag.NewFlagSet("pillion-node capabilities", pflag.ContinueOnError)
	socket := f.String("nri-socket", "/var/run/nri/nri.sock", "socket of the container runtime's NRI")
	process := f.String("host-process", "/proc/1", "a process in the node's own namespaces, below /proc")
	dir := f.String("state-dir", "/run/pillion", "directory of the socket of the helper at work, which is asked what it alone knows")
	output := f.StringP("output", "o", "text", "text or json")
	if err := program.Parse(f, args, 0, errs); err != nil {
		return err
	}
	if *output != "text" && *output != "json" {
		return program.Usage("--output: want text or json, got %q", *output)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c := node.Probe(ctx, *socket, *process)
	asked, err := node.AskCapabilities(ctx, *dir)
	if err != nil {
		asked = node.Capabilities{{Name: "mode", Detail: err.Error()}}
	}
	c = append(c, asked...)
	if *output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(c)
	}
	_, err = io.WriteString(out, c.Text())
	return err
}
