package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/node/gate"
)

// waitAtGate waits until the Pod's traffic is redirected.
func waitAtGate(ctx context.Context, args []string) error {
	f := pflag.NewFlagSet("pillion-node gate", pflag.ContinueOnError)
	timeout := f.Duration("timeout", time.Minute, "give up after this time; the kubelet starts the gate again")
	level := f.String("log-level", "info", "debug, info, warn or error")
	if err := parse(f, args); err != nil {
		return err
	}
	log, err := newLog(*level)
	if err != nil {
		return err
	}
	if *timeout <= 0 {
		return &usageError{fmt.Errorf("--timeout %s: want more than 0", *timeout)}
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	return gate.Wait(ctx, log)
}
