package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/node/gate"
	"github.com/pillion-dev/pillion/program"
)

// waitAtGate waits until the Pod's traffic is redirected.
func waitAtGate(ctx context.Context, args []string, _, errs io.Writer) error {
	f := pflag.NewFlagSet("pillion-node gate", pflag.ContinueOnError)
	timeout := f.Duration("timeout", time.Minute, "give up after this time; the kubelet starts the gate again")
	level := f.String("log-level", "info", "debug, info, warn or error")
	if err := program.Parse(f, args, 0, errs); err != nil {
		return err
	}
	log, err := program.Log(*level, errs)
	if err != nil {
		return err
	}
	if *timeout <= 0 {
		return program.Usage("--timeout %s: want more than 0", *timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	return gate.Wait(ctx, log)
}
