package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/controller"
	"github.com/pillion-dev/pillion/program"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/webhook"
)

// run works until the context ends and the drain is over. The CA of a self-signed certificate goes to out.
func run(ctx context.Context, c *Config, log *slog.Logger, out io.Writer) error {
	config, err := c.APIServer()
	if err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	tlsDir, cleanUp, err := c.OpenCertificate(out)
	if err != nil {
		return err
	}
	defer cleanUp()

	metrics := webhook.NewMetrics()
	drain := webhook.NewDrain(c.DrainQuiet, c.DrainMax, metrics)
	server, err := webhook.NewServer(webhook.ServerOptions{Address: c.ListenAddress, CertDir: tlsDir, Drain: drain, Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	ctrl, err := controller.New(controller.Options{
		Config: config, LeaderElect: c.LeaderElect, LeaderElectionNamespace: c.LeaderElectionNamespace,
		DryRunNamespace: c.DryRunNamespace, OwnNamespace: c.OwnNamespace, AuditInterval: c.AuditInterval, Helper: sidecars.Helper{Absent: !c.NodeHelper}, NodeProfiles: c.NodeProfiles,
		Certificates: c.Certificates.modes(c.OwnNamespace, tlsDir), Server: server, Log: log,
	})
	if err != nil {
		return err
	}
	ops, err := program.OpenOps(c.MetricsAddress, webhook.NewReadiness(drain.Check(), server.Check(), ctrl.Check()), ctrl.Metrics(), log)
	if err != nil {
		return err
	}
	log.Info("serving", "webhookAddress", server.Addr().String(), "metricsAddress", ops.Addr().String(), "version", program.Version())
	return serve(ctx, ctrl, ops)
}

// serve runs both until the context ends: readiness tells of the drain, so the operations port is the last to close.
func serve(ctx context.Context, ctrl *controller.Controller, ops *program.Ops) error {
	beneath, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	front, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	group.Go(func() error { defer cancel(); return ops.Start(beneath) })
	group.Go(func() error { defer stop(); return ctrl.Start(front) })
	return group.Wait()
}
