package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pillion-dev/pillion/test/cluster/node"
)

// startInside does not return where this program is the first process of an instance.
func startInside() { node.Init() }

// nodeFlags are the flags of the commands that deal with an instance.
type nodeFlags struct {
	set        *flag.FlagSet
	name, dir  string
	nodes, on  int
	nodeMemory string
	nodeGrace  time.Duration
	ready      time.Duration
}

func newNodeFlags(command string, stderr io.Writer) *nodeFlags {
	f := &nodeFlags{set: newFlags(command, stderr)}
	f.set.StringVar(&f.name, "name", "", `instance (default "pillion")`)
	f.set.StringVar(&f.dir, "dir", "", "directory of the instance (default one below the user's cache)")
	switch command {
	case "up":
		f.set.IntVar(&f.nodes, "nodes", 1, "how many nodes, 1 or 2")
		f.set.StringVar(&f.nodeMemory, "node-memory", "", "what Pods may have on each node, for example 1280Mi,2Gi (default all)")
		f.set.DurationVar(&f.nodeGrace, "node-grace", 0, "how long after its last sign of life a node is taken for lost (default Kubernetes' own)")
		f.set.DurationVar(&f.ready, "ready-timeout", 0, "how long each component may take to come up (default 3m)")
	case "exec":
		f.set.IntVar(&f.on, "node", 1, "node to run the command on")
	}
	return f
}

// takesArguments are the commands that do.
func takesArguments(command string) bool { return command == "exec" || command == "load" }

func runNode(ctx context.Context, command string, args []string, stdout, stderr io.Writer) error {
	f := newNodeFlags(command, stderr)
	if takesArguments(command) {
		if err := f.set.Parse(args); err != nil {
			return errUsage
		}
		if f.set.NArg() == 0 {
			fmt.Fprintf(stderr, "cluster: %s what?\n%s", command, usage)
			return errUsage
		}
	} else if err := parse(f.set, args); err != nil {
		return err
	}
	if command == "up" {
		return f.up(ctx, stdout, stderr)
	}
	n, err := node.Open(f.name, f.dir)
	if command == "down" {
		if err != nil {
			fmt.Fprintln(stderr, "cluster:", err)
		}
		return n.Down()
	}
	if err != nil {
		return err
	}
	switch command {
	case "exec":
		return f.exec(ctx, n, stdout, stderr)
	case "load":
		return n.Load(ctx, f.set.Args()...)
	}
	return printStatus(n, stdout)
}

func (f *nodeFlags) up(ctx context.Context, stdout, stderr io.Writer) error {
	cfg := node.Config{
		Name: f.name, Dir: f.dir, Nodes: f.nodes, NodeGrace: f.nodeGrace, ReadyTimeout: f.ready, Detach: true, Log: stderr,
	}
	for _, size := range list(f.nodeMemory) {
		q, err := resource.ParseQuantity(size)
		if err != nil {
			return fmt.Errorf("node memory %q: %w", size, err)
		}
		cfg.NodeMemory = append(cfg.NodeMemory, q.Value())
	}
	n, err := node.Up(ctx, cfg)
	if err != nil {
		return err
	}
	return printStatus(n, stdout)
}

func printStatus(n *node.Node, stdout io.Writer) error {
	status, err := n.Status()
	if err != nil {
		return err
	}
	return status.Print(stdout)
}

func (f *nodeFlags) exec(ctx context.Context, n *node.Node, stdout, stderr io.Writer) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	return n.Exec(ctx, node.Command{
		Node: f.on, Args: f.set.Args(), Stdin: os.Stdin, Stdout: stdout, Stderr: stderr, Signals: signals,
	})
}
