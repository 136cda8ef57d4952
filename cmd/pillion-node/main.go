// Command pillion-node is the node helper, and the gate that waits for it in a Pod.
//
//	pillion-node agent         on every node: answer the container runtime
//	pillion-node gate          in a Pod: end well once the Pod's traffic is redirected
//	pillion-node inspect POD   on a node, by root: say what there is of a Pod
//	pillion-node capabilities  say what this node can do
//	pillion-node version
package main

import (
	"context"
	"fmt"
	"io"

	"github.com/pillion-dev/pillion/program"
)

const usage = `usage: pillion-node agent|gate|inspect|capabilities|version [flags]`

// commands by name.
var commands = map[string]program.Run{"agent": agent, "gate": waitAtGate, "inspect": inspect, "capabilities": capabilities, "version": printVersion}

func main() {
	program.Main(func(ctx context.Context, args []string, out, errs io.Writer) error {
		if len(args) == 0 || commands[args[0]] == nil {
			return program.Usage(usage)
		}
		return commands[args[0]](ctx, args[1:], out, errs)
	})
}

func printVersion(_ context.Context, _ []string, out, _ io.Writer) error {
	_, err := fmt.Fprintln(out, "pillion-node", program.Version())
	return err
}
